package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unsafe"

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

// vmRecord is what the simulator has no place for in a VM. Kept in the VM's file.
type vmRecord struct {
	IP            string    `json:"ip,omitempty"`
	VGPUs         []vgpuUse `json:"vgpus,omitempty"`
	StoragePolicy string    `json:"storage_policy,omitempty"`
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

// completeVM fills in what the simulator leaves empty and a vCenter never does: clients like pyvmomi cannot read it otherwise.
func completeVM(vm *mo.VirtualMachine) {
	if vm.EnvironmentBrowser.Value != "" {
		vm.EnvironmentBrowser.Value = browserPrefix + vm.Self.Value
	}
	for _, runtime := range []*types.VirtualMachineRuntimeInfo{&vm.Runtime, &vm.Summary.Runtime} {
		if runtime.FaultToleranceState == "" {
			runtime.FaultToleranceState = types.VirtualMachineFaultToleranceStateNotConfigured
		}
		if runtime.RecordReplayState == "" {
			runtime.RecordReplayState = types.VirtualMachineRecordReplayStateInactive
		}
	}
	if vm.Config != nil && vm.Config.SwapPlacement == "" {
		vm.Config.SwapPlacement = string(types.VirtualMachineConfigInfoSwapPlacementTypeInherit)
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

// restore puts the stored objects back, with the ids they had, and everything that refers to them.
func (k *keeper) restore() error {
	names, err := k.store.names()
	if err != nil {
		return err
	}
	var entities []mo.Entity
	var highest int64
	for _, name := range names {
		data, err := k.store.read(name)
		if err != nil {
			return err
		}
		var file objectFile
		var content types.ObjectContent
		if err := json.Unmarshal(data, &file); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		decoder := xml.NewDecoder(strings.NewReader(file.Content))
		decoder.TypeFunc = types.TypeFunc()
		if err := decoder.Decode(&content); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		highest = max(highest, number(content.Obj.Value))
		entity, err := k.load(content, file.VM)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if entity != nil {
			k.v.registry.Put(entity)
			entities = append(entities, entity)
		}
	}
	for _, entity := range entities {
		if err := k.link(entity); err != nil {
			return err
		}
	}
	// New objects must not get the ids of restored ones.
	for {
		probe := k.v.registry.NewEntity(&simulator.Folder{})
		if number(probe.Reference().Value) > highest {
			return nil
		}
	}
}

func number(id string) int64 {
	digits := strings.TrimLeftFunc(id, func(r rune) bool { return r < '0' || r > '9' })
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (k *keeper) load(content types.ObjectContent, record *vmRecord) (mo.Entity, error) {
	contents := []types.ObjectContent{content}
	switch content.Obj.Type {
	case "VirtualMachine":
		vm := &simulator.VirtualMachine{DataSets: map[string]*simulator.DataSet{}}
		if err := mo.LoadObjectContent(contents, &vm.VirtualMachine); err != nil {
			return nil, err
		}
		// Snapshots are objects of their own, and are not kept.
		vm.Snapshot, vm.RootSnapshot = nil, nil
		vm.Summary.Vm = &vm.Self
		k.restoreLog(vm)
		if record != nil {
			k.v.records.set(vm.Self.Value, *record)
			k.v.addresses.take(record.IP)
		}
		return vm, nil
	case "Folder":
		folder := &simulator.Folder{}
		err := mo.LoadObjectContent(contents, &folder.Folder)
		folder.ChildEntity = nil
		return folder, err
	case "ResourcePool":
		pool := &simulator.ResourcePool{}
		err := mo.LoadObjectContent(contents, &pool.ResourcePool)
		pool.ResourcePool.ResourcePool, pool.Vm = nil, nil
		return pool, err
	case "ClusterComputeResource":
		var saved mo.ClusterComputeResource
		if err := mo.LoadObjectContent(contents, &saved); err != nil {
			return nil, err
		}
		if cluster, ok := k.v.registry.Get(content.Obj).(*simulator.ClusterComputeResource); ok {
			cluster.ConfigurationEx = saved.ConfigurationEx
		}
	case "CustomFieldsManager":
		var saved mo.CustomFieldsManager
		if err := mo.LoadObjectContent(contents, &saved); err != nil {
			return nil, err
		}
		k.restoreFields(saved.Field)
	}
	return nil, nil
}

// restoreLog names the VM's log file, an unexported field: without it the simulator complains at every power operation.
func (k *keeper) restoreLog(vm *simulator.VirtualMachine) {
	_, directory, _ := strings.Cut(vm.Config.Files.LogDirectory, "] ")
	field := reflect.ValueOf(vm).Elem().FieldByName("log")
	path := (*string)(unsafe.Pointer(field.UnsafeAddr()))
	*path = filepath.Join(k.v.datastoreDirectory(), directory, "vmware.log")
}

// restoreFields defines custom attributes anew, each with its old key: keys are given out from 1 upwards.
func (k *keeper) restoreFields(fields []types.CustomFieldDef) {
	manager := k.v.registry.CustomFieldsManager()
	for _, wanted := range fields {
		for {
			filler := &types.AddCustomFieldDef{This: manager.Self, Name: fmt.Sprintf("%s (restoring)", wanted.Name)}
			filler.MoType = wanted.ManagedObjectType
			made := manager.AddCustomFieldDef(k.v.context(), filler)
			if made.Fault() != nil {
				break
			}
			last := &manager.Field[len(manager.Field)-1]
			if last.Key >= wanted.Key {
				*last = wanted
				break
			}
			manager.Field = manager.Field[:len(manager.Field)-1]
		}
	}
}

func (k *keeper) link(entity mo.Entity) error {
	ref := entity.Reference()
	parent := k.v.registry.Get(*entity.Entity().Parent)
	switch p := parent.(type) {
	case *simulator.Folder:
		p.ChildEntity = append(p.ChildEntity, ref)
	case *simulator.ResourcePool:
		p.ResourcePool.ResourcePool = append(p.ResourcePool.ResourcePool, ref)
	default:
		return fmt.Errorf("%s: its parent %s is not in the inventory; was a file removed from the lab's state?", ref, entity.Entity().Parent)
	}
	vm, ok := entity.(*simulator.VirtualMachine)
	if !ok {
		return nil
	}
	if host, ok := k.v.registry.Get(*vm.Runtime.Host).(*simulator.HostSystem); ok {
		host.Vm = append(host.Vm, ref)
	}
	if vm.ResourcePool != nil {
		if pool, ok := k.v.registry.Get(*vm.ResourcePool).(*simulator.ResourcePool); ok {
			pool.Vm = append(pool.Vm, ref)
		}
	}
	for _, datastore := range vm.Datastore {
		if ds, ok := k.v.registry.Get(datastore).(*simulator.Datastore); ok {
			ds.Vm = append(ds.Vm, ref)
		}
	}
	return k.v.reclaim(vm)
}

// sweep removes directories of the datastore that no VM and no library uses: left by a kill in the middle of a creation.
func (v *vcenter) sweep() error {
	entries, err := os.ReadDir(v.datastoreDirectory())
	if err != nil {
		return err
	}
	used := v.libraryDirectories()
	for _, vm := range v.virtualMachines() {
		_, path, _ := strings.Cut(vm.Config.Files.VmPathName, "] ")
		used = append(used, strings.SplitN(path, "/", 2)[0])
	}
	for _, entry := range entries {
		if entry.IsDir() && !slices.Contains(used, entry.Name()) {
			if err := os.RemoveAll(filepath.Join(v.datastoreDirectory(), entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// recordTable holds the vmRecord of each VM.
type recordTable struct {
	mu      sync.Mutex
	records map[string]vmRecord
}

func (t *recordTable) get(vm string) vmRecord {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.records[vm]
}

func (t *recordTable) set(vm string, record vmRecord) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.records[vm] = record
}

func (t *recordTable) change(vm string, change func(*vmRecord)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	record := t.records[vm]
	change(&record)
	t.records[vm] = record
}

func (t *recordTable) drop(vm string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.records, vm)
}
