package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	llama = "/v2/models/meta/llama-3.1-8b-instruct-simulated/manifests/"
	// The digest is part of the promise: stack files may pin it.
	llamaDigest = "sha256:0c1fec1c202553a13e2e1ac8bac115fd04487d1b1126280dc9fcbe2143f64883"
)

func do(t *testing.T, h http.Handler, method, path, contentType string, body []byte) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequest(method, path, bytes.NewReader(body))
	request.Header.Set("Content-Type", contentType)
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, request)
	return answer
}

func testStore(t *testing.T, directory string) *store {
	t.Helper()
	s, err := openStore(directory)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.seed(simulatedModels); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSeededModelsKeepTheirDigests(t *testing.T) {
	s := testStore(t, t.TempDir())
	answer := do(t, s, http.MethodHead, llama+"v1", "", nil)
	if got := answer.Header().Get("Docker-Content-Digest"); got != llamaDigest {
		t.Errorf("digest %s, expected %s", got, llamaDigest)
	}
}

func TestSeededBlobsCanBePulled(t *testing.T) {
	s := testStore(t, t.TempDir())
	var manifest v1.Manifest
	if err := json.Unmarshal(do(t, s, http.MethodGet, llama+"v1", "", nil).Body.Bytes(), &manifest); err != nil {
		t.Fatal(err)
	}
	for _, descriptor := range append(manifest.Layers, manifest.Config) {
		path := "/v2/models/meta/llama-3.1-8b-instruct-simulated/blobs/" + descriptor.Digest.String()
		answer := do(t, s, http.MethodGet, path, "", nil)
		if answer.Code != http.StatusOK || int64(answer.Body.Len()) != descriptor.Size {
			t.Errorf("%s: status %d, %d bytes of %d", path, answer.Code, answer.Body.Len(), descriptor.Size)
		}
	}
}

func TestAModelHasOneLayerPerFile(t *testing.T) {
	image, err := simulatedModels[1].image()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, layer := range manifest.Layers {
		files = append(files, layer.Annotations["org.opencontainers.image.title"])
	}
	if got := strings.Join(files, " "); got != "SIMULATED.txt config.json" {
		t.Errorf("layers of the files %q", got)
	}
}

func TestPushedTagSurvivesRestart(t *testing.T) {
	directory := t.TempDir()
	body := do(t, testStore(t, directory), http.MethodGet, llama+"v1", "", nil).Body.Bytes()
	do(t, testStore(t, directory), http.MethodPut, llama+"v2", string(types.OCIManifestSchema1), body)
	if answer := do(t, testStore(t, directory), http.MethodHead, llama+"v2", "", nil); answer.Code != http.StatusOK {
		t.Errorf("after the restart: status %d", answer.Code)
	}
}

func TestDeletedTagStaysDeletedAndDigestStays(t *testing.T) {
	directory := t.TempDir()
	if answer := do(t, testStore(t, directory), http.MethodDelete, llama+"v1", "", nil); answer.Code != http.StatusAccepted {
		t.Fatalf("delete: status %d", answer.Code)
	}
	s := testStore(t, directory)
	if answer := do(t, s, http.MethodHead, llama+"v1", "", nil); answer.Code != http.StatusNotFound {
		t.Errorf("the deleted tag came back: status %d", answer.Code)
	}
	if answer := do(t, s, http.MethodHead, llama+llamaDigest, "", nil); answer.Code != http.StatusOK {
		t.Errorf("the digest went with its tag: status %d", answer.Code)
	}
}

func TestIndexIsRestoredWhateverTheOrderOfFiles(t *testing.T) {
	directory := t.TempDir()
	s := testStore(t, directory)
	image, err := simulatedModels[0].image()
	if err != nil {
		t.Fatal(err)
	}
	var add mutate.Appendable = image
	// An index of an index of ...: in whatever order hashes sort the files, some come before what they list.
	for level := range 4 {
		index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: add})
		body, err := index.RawManifest()
		if err != nil {
			t.Fatal(err)
		}
		tag := "index" + string(rune('a'+level))
		if answer := do(t, s, http.MethodPut, llama+tag, string(types.OCIImageIndex), body); answer.Code != http.StatusCreated {
			t.Fatalf("%s: status %d: %s", tag, answer.Code, answer.Body)
		}
		add = index
	}
	if answer := do(t, testStore(t, directory), http.MethodHead, llama+"indexd", "", nil); answer.Code != http.StatusOK {
		t.Errorf("after the restart: status %d", answer.Code)
	}
}
