package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/vmware/govmomi/vim25/types"
)

// vapiState keeps tags and content libraries of govmomi's REST simulator, which holds them in memory only. Its type is not
// exported, the fields are: they are reached by reflection.
type vapiState struct {
	handler http.Handler
	store   *store
	dirty   atomic.Bool
	mu      sync.Mutex
	last    []byte
}

var vapiMaps = []string{"Category", "Tag", "Library"}

type vapiFile struct {
	Category     json.RawMessage
	Tag          json.RawMessage
	Library      json.RawMessage
	Associations []association
}

type association struct {
	Tag    string
	Object types.ManagedObjectReference
}

// attacher are the methods that the simulator exports for its own use.
type attacher interface {
	sync.Locker
	AttachTag(types.ManagedObjectReference, string) types.BaseMethodFault
	DetachTag(types.ManagedObjectReference, string) types.BaseMethodFault
	AttachedTags(types.ManagedObjectReference) ([]string, types.BaseMethodFault)
}

func (s *vapiState) field(name string) reflect.Value {
	return reflect.ValueOf(s.handler).Elem().FieldByName(name)
}

// markDirty tells that a REST request may have changed something.
func (s *vapiState) markDirty() { s.dirty.Store(true) }

// flush stores what changed, and tells whether anything did.
func (s *vapiState) flush() (bool, error) {
	if !s.dirty.Swap(false) {
		return false, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	data, err := s.snapshot()
	if err != nil || bytes.Equal(data, s.last) {
		return false, err
	}
	if err := s.store.write("vapi.json", data); err != nil {
		s.markDirty()
		return false, err
	}
	s.last = data
	return true, nil
}

func (s *vapiState) snapshot() ([]byte, error) {
	lock := s.handler.(attacher)
	lock.Lock()
	defer lock.Unlock()
	file := map[string]any{}
	for _, name := range vapiMaps {
		file[name] = s.field(name).Interface()
	}
	var associations []association
	tags := s.field("Association")
	for _, tag := range tags.MapKeys() {
		objects := tags.MapIndex(tag)
		for _, object := range objects.MapKeys() {
			if objects.MapIndex(object).Bool() {
				associations = append(associations, association{tag.String(), types.ManagedObjectReference{
					Type: object.FieldByName("Type").String(), Value: object.FieldByName("Value").String(),
				}})
			}
		}
	}
	slices.SortFunc(associations, func(a, b association) int {
		return bytes.Compare([]byte(a.Tag+a.Object.String()), []byte(b.Tag+b.Object.String()))
	})
	file["Associations"] = associations
	return json.Marshal(file)
}

// restore also drops tags of objects that are gone.
func (s *vapiState) restore(exists func(types.ManagedObjectReference) bool) error {
	data, err := s.store.read("vapi.json")
	if err != nil || data == nil {
		return err
	}
	var file vapiFile
	if err := json.Unmarshal(data, &file); err != nil {
		return fmt.Errorf("vapi.json: %w", err)
	}
	for name, text := range map[string]json.RawMessage{"Category": file.Category, "Tag": file.Tag, "Library": file.Library} {
		if err := json.Unmarshal(text, s.field(name).Addr().Interface()); err != nil {
			return fmt.Errorf("vapi.json: %s: %w", name, err)
		}
	}
	tags := s.field("Association")
	for _, tag := range s.field("Tag").MapKeys() {
		tags.SetMapIndex(tag, reflect.MakeMap(tags.Type().Elem()))
	}
	for _, a := range file.Associations {
		if !exists(a.Object) {
			continue
		}
		if fault := s.handler.(attacher).AttachTag(a.Object, a.Tag); fault != nil {
			return fmt.Errorf("vapi.json: tag %s: %T", a.Tag, fault)
		}
	}
	s.last = data
	return nil
}

// detach takes all tags off an object that is gone.
func (s *vapiState) detach(ref types.ManagedObjectReference) {
	h := s.handler.(attacher)
	// The simulator's own REST calls hold the lock while they call SOAP.
	go func() {
		h.Lock()
		defer h.Unlock()
		tags, _ := h.AttachedTags(ref)
		for _, tag := range tags {
			_ = h.DetachTag(ref, tag)
			s.markDirty()
		}
	}()
}
