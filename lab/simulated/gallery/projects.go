package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

func (s *store) projectFile() string { return filepath.Join(s.directory, "projects.json") }

// loadProjects reads the names of projects; whatever has a model is one too, as in a gallery that is older than this file.
func (s *store) loadProjects(records []record) error {
	text, err := os.ReadFile(s.projectFile())
	if err == nil {
		err = json.Unmarshal(text, &s.projects)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, r := range records {
		if name := project(r.Repository); !slices.Contains(s.projects, name) {
			s.projects = append(s.projects, name)
		}
	}
	return nil
}

func (s *store) hasProject(name string) bool {
	s.writing.Lock()
	defer s.writing.Unlock()
	return slices.Contains(s.projects, name)
}

func (s *store) projectNames() []string {
	s.writing.Lock()
	defer s.writing.Unlock()
	return slices.Sorted(slices.Values(s.projects))
}

// addProject tells whether the project is new.
func (s *store) addProject(name string) (bool, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if slices.Contains(s.projects, name) {
		return false, nil
	}
	projects := append(slices.Clone(s.projects), name)
	text, err := json.Marshal(projects)
	if err == nil {
		err = writeDurably(s.projectFile(), text)
	}
	if err != nil {
		return false, err
	}
	s.projects = projects
	return true, nil
}
