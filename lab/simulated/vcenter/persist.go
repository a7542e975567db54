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

// keeper writes what changed in the inventory before a client hears of it. It hears of changes as a listener of the
// simulator's registry; flush is called before every answer.
type keeper struct {
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

var keptProperties = map[string][]string{
	"VirtualMachine":         nil,
	"Folder":                 nil,
	"ResourcePool":           nil,
	"ClusterComputeResource": {"configurationEx"},
	"CustomFieldsManager":    {"field"},
}

// Reference makes the keeper a listener of the registry.
func (*keeper) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "LabKeeper", Value: "keeper"}
}

func (k *keeper) PutObject(_ *simulator.Context, o mo.Reference) { k.touched(o.Reference()) }

func (k *keeper) RemoveObject(_ *simulator.Context, ref types.ManagedObjectReference) {
	if ref.Type == "VirtualMachine" {
		k.v.forget(ref)
	}
	k.touched(ref)
}

func (k *keeper) UpdateObject(_ *simulator.Context, o mo.Reference, _ []types.PropertyChange) {
	k.touched(o.Reference())
	if vm, ok := o.(*mo.VirtualMachine); ok {
		completeVM(vm)
	}
	if task, ok := o.(*mo.Task); ok {
		// Tasks change parts of their entity without announcing it.
		if task.Info.Entity != nil && task.Info.DescriptionId != "VirtualMachine.cloneVm" {
			k.touched(*task.Info.Entity)
		}
		if made, ok := task.Info.Result.(types.ManagedObjectReference); ok {
			k.touched(made)
		}
	}
}

func (k *keeper) touched(ref types.ManagedObjectReference) {
	if _, kept := keptProperties[ref.Type]; kept {
		k.mu.Lock()
		k.dirty[ref] = true
		k.mu.Unlock()
	}
	registryChanges.beat()
}

// flush returns when everything that changed before the call is on disk.
func (k *keeper) flush() error {
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
		did, err := k.keep(ref)
		if err != nil {
			k.touched(ref)
			return fmt.Errorf("%s cannot be stored: %w", ref, err)
		}
		written = written || did
	}
	if written {
		return k.store.sync()
	}
	return nil
}

func fileName(ref types.ManagedObjectReference) string { return ref.Type + "-" + ref.Value + ".json" }

func (k *keeper) keep(ref types.ManagedObjectReference) (bool, error) {
	if k.v.base[ref] && keptProperties[ref.Type] == nil {
		return false, nil
	}
	if k.v.registry.Get(ref) == nil {
		return true, k.store.remove(fileName(ref))
	}
	var contents []types.ObjectContent
	collector := property.DefaultCollector(k.v.client)
	err := collector.Retrieve(k.v.background, []types.ManagedObjectReference{ref}, keptProperties[ref.Type], &contents)
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

var _ mo.Reference = (*keeper)(nil)
