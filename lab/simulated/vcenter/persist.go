package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

// objectPersister writes what changed in the inventory before a client hears of it. It hears of changes as a listener of the
// simulator's registry; flush is called before every answer.
type objectPersister struct {
	v     *vcenter
	store *store

	mu       sync.Mutex // guards dirty
	dirty    map[types.ManagedObjectReference]bool
	flushing sync.Mutex
	started  bool
}

type objectFile struct {
	Content string    `json:"content"` // XML of types.ObjectContent, as govc's object.save writes it
	VM      *vmRecord `json:"vm,omitempty"`
}

var persistedProperties = map[string][]string{
	"VirtualMachine":         nil,
	"Folder":                 nil,
	"ResourcePool":           nil,
	"ClusterComputeResource": {"configurationEx"},
	"CustomFieldsManager":    {"field"},
}

// Reference makes the persister a listener of the registry.
func (*objectPersister) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "LabKeeper", Value: "keeper"}
}

func (k *objectPersister) PutObject(_ *simulator.Context, o mo.Reference) { k.markDirty(o.Reference()) }

func (k *objectPersister) RemoveObject(_ *simulator.Context, ref types.ManagedObjectReference) {
	if ref.Type == "VirtualMachine" {
		k.v.releaseVM(ref)
	}
	k.markDirty(ref)
}

func (k *objectPersister) UpdateObject(_ *simulator.Context, o mo.Reference, _ []types.PropertyChange) {
	k.markDirty(o.Reference())
	if vm, ok := o.(*mo.VirtualMachine); ok {
		completeVM(vm)
	}
	if task, ok := o.(*mo.Task); ok {
		// Tasks change parts of their entity without announcing it.
		if task.Info.Entity != nil && task.Info.DescriptionId != "VirtualMachine.cloneVm" {
			k.markDirty(*task.Info.Entity)
		}
		if result, ok := task.Info.Result.(types.ManagedObjectReference); ok {
			k.markDirty(result)
		}
	}
}

func (k *objectPersister) markDirty(ref types.ManagedObjectReference) {
	if _, persisted := persistedProperties[ref.Type]; persisted {
		k.mu.Lock()
		k.dirty[ref] = true
		k.mu.Unlock()
	}
	registryChanges.notify()
}

// flush returns when everything that changed before the call is on disk.
func (k *objectPersister) flush() error {
	if !k.started {
		return nil
	}
	k.flushing.Lock()
	defer k.flushing.Unlock()
	k.mu.Lock()
	refs := make([]types.ManagedObjectReference, 0, len(k.dirty))
	for ref := range k.dirty {
		refs = append(refs, ref)
	}
	clear(k.dirty)
	k.mu.Unlock()

	written := false
	for _, ref := range refs {
		changed, err := k.persist(ref)
		if err != nil {
			k.markDirty(ref)
			return fmt.Errorf("%s cannot be stored: %w", ref, err)
		}
		written = written || changed
	}
	if written {
		return k.store.sync()
	}
	return nil
}

func fileName(ref types.ManagedObjectReference) string { return ref.Type + "-" + ref.Value + ".json" }

func (k *objectPersister) persist(ref types.ManagedObjectReference) (bool, error) {
	if k.v.base[ref] && persistedProperties[ref.Type] == nil {
		return false, nil
	}
	if k.v.registry.Get(ref) == nil {
		return true, k.store.remove(fileName(ref))
	}
	var contents []types.ObjectContent
	collector := property.DefaultCollector(k.v.client)
	err := collector.Retrieve(k.v.background, []types.ManagedObjectReference{ref}, persistedProperties[ref.Type], &contents)
	if err != nil {
		if k.v.registry.Get(ref) == nil {
			return true, k.store.remove(fileName(ref))
		}
		return false, err
	}
	var text bytes.Buffer
	if err := xml.NewEncoder(&text).Encode(contents[0]); err != nil {
		return false, err
	}
	file := objectFile{Content: text.String()}
	if ref.Type == "VirtualMachine" {
		record := k.v.records.get(ref.Value)
		file.VM = &record
	}
	data, err := json.Marshal(file)
	if err != nil {
		return false, err
	}
	if err := k.store.put(fileName(ref), data); err != nil {
		return false, err
	}
	// Removed meanwhile: the removal may have been flushed before this file was written.
	if k.v.registry.Get(ref) == nil {
		return true, k.store.remove(fileName(ref))
	}
	return true, nil
}

var _ mo.Reference = (*objectPersister)(nil)
