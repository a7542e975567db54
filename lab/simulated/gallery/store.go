package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/registry"
)

const maxManifestBytes = 4 << 20 // what registries commonly accept

// store is a registry whose manifests outlive the process. The registry package keeps blobs on disk by itself but
// manifests in memory only, so each accepted manifest is written before its answer goes out, and replayed on start.
type store struct {
	registry  http.Handler
	directory string
	writing   sync.Mutex
	projects  []string
}

// record is one manifest under one reference, as it is kept on disk.
type record struct {
	Repository  string `json:"repository"`
	Reference   string `json:"reference"` // tag or digest
	ContentType string `json:"contentType"`
	Body        []byte `json:"body"`
}

func (r record) path() string { return "/v2/" + r.Repository + "/manifests/" + r.Reference }

// openStore reads what the directory holds, or starts an empty gallery in it.
func openStore(directory string) (*store, error) {
	for _, name := range []string{"blobs", "manifests"} {
		if err := os.MkdirAll(filepath.Join(directory, name), 0o700); err != nil {
			return nil, err
		}
	}
	blobs := registry.NewDiskBlobHandler(filepath.Join(directory, "blobs"))
	discardLog := registry.Logger(log.New(io.Discard, "", 0))
	s := &store{registry: registry.New(registry.WithBlobHandler(blobs), discardLog), directory: directory}
	records, err := s.load()
	if err != nil {
		return nil, err
	}
	if err := s.loadProjects(records); err != nil {
		return nil, err
	}
	return s, s.replay(records)
}

func (s *store) load() ([]record, error) {
	files, err := filepath.Glob(filepath.Join(s.directory, "manifests", "*.json"))
	if err != nil {
		return nil, err
	}
	var records []record
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var r record
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, fmt.Errorf("%s: not a manifest record (%w); remove the file and push the model again", file, err)
		}
		records = append(records, r)
	}
	return records, nil
}

// replay gives the manifests back to the registry. It refuses an index before the manifests it lists, hence the rounds.
func (s *store) replay(records []record) error {
	for len(records) > 0 {
		var refused []record
		var why string
		for _, r := range records {
			if answer := s.call(http.MethodPut, r.path(), r.ContentType, r.Body); answer.Code != http.StatusCreated {
				refused = append(refused, r)
				why = strings.TrimSpace(answer.Body.String())
			}
		}
		if len(refused) == len(records) {
			return fmt.Errorf("%s: manifest %s cannot be restored: %s", s.directory, refused[0].path(), why)
		}
		records = refused
	}
	return nil
}

func (s *store) call(method, path, contentType string, body []byte) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, bytes.NewReader(body))
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	answer := httptest.NewRecorder()
	s.registry.ServeHTTP(answer, request)
	return answer
}

// ServeHTTP is the registry, with writes of manifests made durable.
func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	repository, reference, isManifest := manifestPath(r.URL.Path)
	if !isManifest || (r.Method != http.MethodPut && r.Method != http.MethodDelete) {
		s.registry.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxManifestBytes))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	change := record{Repository: repository, Reference: reference, ContentType: r.Header.Get("Content-Type"), Body: body}
	answer := s.call(r.Method, r.URL.Path, change.ContentType, body)
	switch answer.Code {
	case http.StatusCreated:
		err = s.saveManifest(change, answer.Header().Get("Docker-Content-Digest"))
	case http.StatusAccepted:
		err = s.deleteManifest(change)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// manifestPath splits /v2/<repository>/manifests/<reference>.
func manifestPath(path string) (repository, reference string, ok bool) {
	rest, found := strings.CutPrefix(path, "/v2/")
	at := strings.LastIndex(rest, "/manifests/")
	if !found || at < 1 {
		return "", "", false
	}
	return rest[:at], rest[at+len("/manifests/"):], true
}

// saveManifest keeps the manifest under its digest and, when it was pushed by tag, under the tag: as the registry serves it.
func (s *store) saveManifest(r record, digest string) error {
	byDigest := r
	byDigest.Reference = digest
	if err := s.write(byDigest); err != nil || r.Reference == digest {
		return err
	}
	return s.write(r)
}

func (s *store) deleteManifest(r record) error {
	return os.Remove(s.file(r))
}

func (s *store) file(r record) string {
	// Repository names contain slashes and references colons: a hash is a safe file name for any of them.
	sum := sha256.Sum256([]byte(r.path()))
	return filepath.Join(s.directory, "manifests", hex.EncodeToString(sum[:])+".json")
}

func (s *store) write(r record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return writeDurably(s.file(r), text)
}

// writeDurably replaces a file so that a crash at any moment leaves the old or the new one.
func writeDurably(path string, text []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	_, err = temporary.Write(text)
	if err == nil {
		err = temporary.Sync()
	}
	if closing := temporary.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
