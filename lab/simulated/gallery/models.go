package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// simulatedModel is a model of the gallery that holds no weights: enough for everything around inference to be real.
type simulatedModel struct {
	repository string
	tag        string
	kind       string // Completions or Embeddings, as ModelEndpoint spells it
	dimension  int    // length of an embedding; 0 for completions
}

var simulatedModels = []simulatedModel{
	{repository: "models/meta/llama-3.1-8b-instruct-simulated", tag: "v1", kind: "Completions"},
	{repository: "models/baai/bge-small-en-v1.5-simulated", tag: "v1", kind: "Embeddings", dimension: 384},
}

// image is the same bytes, hence the same digest, on every machine and run: no time, no user, fixed order.
func (m simulatedModel) image() (v1.Image, error) {
	config, err := json.Marshal(map[string]any{"simulated": true, "type": m.kind, "dimension": m.dimension})
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	// One layer per file, as models are pushed.
	for _, file := range []struct {
		name string
		text []byte
	}{
		{"SIMULATED.txt", []byte("This is a simulated model for the local lab. It holds no weights.\n")},
		{"config.json", config},
	} {
		layer, err := archived(file.name, file.text)
		if err != nil {
			return nil, err
		}
		image, err = mutate.Append(image, mutate.Addendum{
			Layer:       layer,
			Annotations: map[string]string{"org.opencontainers.image.title": file.name},
		})
		if err != nil {
			return nil, err
		}
	}
	annotated, ok := mutate.Annotations(image, map[string]string{
		"org.opencontainers.image.title": filepath.Base(m.repository),
		"paif.lab/simulated":             "true",
		"paif.lab/type":                  m.kind,
		"paif.lab/dimension":             strconv.Itoa(m.dimension),
	}).(v1.Image)
	if !ok {
		return nil, fmt.Errorf("%s: annotating an image gave something else", m.repository)
	}
	return annotated, nil
}

// archived is a layer with one file.
func archived(name string, text []byte) (v1.Layer, error) {
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	header := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Format: tar.FormatUSTAR}
	if err := writer.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := writer.Write(text); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return static.NewLayer(archive.Bytes(), types.OCIUncompressedLayer), nil
}

// seed puts the models in once in the life of the directory: a model that somebody deleted stays deleted.
func (s *store) seed(models []simulatedModel) error {
	done := filepath.Join(s.directory, "seeded")
	if _, err := os.Stat(done); err == nil {
		return nil
	}
	for _, model := range models {
		if _, err := s.addProject(project(model.repository)); err != nil {
			return err
		}
		if err := s.push(model); err != nil {
			return fmt.Errorf("simulated model %s:%s: %w", model.repository, model.tag, err)
		}
	}
	return writeDurably(done, nil)
}

// push goes through the registry's own API, so that what is seeded is what a client could have pushed.
func (s *store) push(model simulatedModel) error {
	image, err := model.image()
	if err != nil {
		return err
	}
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	config, err := image.RawConfigFile()
	if err != nil {
		return err
	}
	configName, err := image.ConfigName()
	if err != nil {
		return err
	}
	blobs := map[string][]byte{configName.String(): config}
	for _, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			return err
		}
		stream, err := layer.Compressed()
		if err != nil {
			return err
		}
		var content bytes.Buffer
		if _, err := content.ReadFrom(stream); err != nil {
			return err
		}
		blobs[digest.String()] = content.Bytes()
	}
	for digest, content := range blobs {
		path := "/v2/" + model.repository + "/blobs/uploads/?digest=" + digest
		if answer := s.call(http.MethodPost, path, "application/octet-stream", content); answer.Code != http.StatusCreated {
			return fmt.Errorf("blob %s: status %d: %s", digest, answer.Code, answer.Body)
		}
	}
	manifest, err := image.RawManifest()
	if err != nil {
		return err
	}
	r := record{Repository: model.repository, Reference: model.tag, ContentType: string(types.OCIManifestSchema1), Body: manifest}
	answer := s.call(http.MethodPut, r.path(), r.ContentType, r.Body)
	if answer.Code != http.StatusCreated {
		return fmt.Errorf("manifest: status %d: %s", answer.Code, answer.Body)
	}
	return s.saveManifest(r, answer.Header().Get("Docker-Content-Digest"))
}
