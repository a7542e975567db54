package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// store keeps files that survive a kill at any moment: each is old or new, never half written.
type store struct{ directory string }

func openStore(directory string) (*store, error) {
	return &store{directory}, os.MkdirAll(directory, 0o700)
}

// write replaces a file and returns when it is on disk.
func (s *store) write(name string, data []byte) error {
	if err := s.put(name, data); err != nil {
		return err
	}
	return s.sync()
}

// put replaces a file; sync makes the replacement itself durable, for several files at once.
func (s *store) put(name string, data []byte) error {
	path := filepath.Join(s.directory, name)
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func (s *store) remove(name string) error {
	if err := os.Remove(filepath.Join(s.directory, name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s *store) sync() error {
	directory, err := os.Open(s.directory)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}

// read is nil when there is no such file.
func (s *store) read(name string) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(s.directory, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// names lists complete files.
func (s *store) names() ([]string, error) {
	entries, err := os.ReadDir(s.directory)
	var names []string
	for _, entry := range entries {
		if entry.Type().IsRegular() && !strings.HasSuffix(entry.Name(), ".new") {
			names = append(names, entry.Name())
		}
	}
	return names, err
}
