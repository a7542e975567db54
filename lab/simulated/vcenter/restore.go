package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"unsafe"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

// restore puts the stored objects back, with the ids they had, and everything that refers to them.
func (k *objectPersister) restore() error {
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

func (k *objectPersister) load(content types.ObjectContent, record *vmRecord) (mo.Entity, error) {
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
			k.v.addresses.reserve(record.IP)
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
func (k *objectPersister) restoreLog(vm *simulator.VirtualMachine) {
	_, directory, _ := strings.Cut(vm.Config.Files.LogDirectory, "] ")
	field := reflect.ValueOf(vm).Elem().FieldByName("log")
	path := (*string)(unsafe.Pointer(field.UnsafeAddr()))
	*path = filepath.Join(k.v.datastoreDirectory(), directory, "vmware.log")
}

// restoreFields defines custom attributes anew, each with its old key: keys are given out from 1 upwards.
func (k *objectPersister) restoreFields(fields []types.CustomFieldDef) {
	manager := k.v.registry.CustomFieldsManager()
	for _, field := range fields {
		for {
			filler := &types.AddCustomFieldDef{This: manager.Self, Name: fmt.Sprintf("%s (restoring)", field.Name)}
			filler.MoType = field.ManagedObjectType
			result := manager.AddCustomFieldDef(k.v.context(), filler)
			if result.Fault() != nil {
				break
			}
			last := &manager.Field[len(manager.Field)-1]
			if last.Key >= field.Key {
				*last = field
				break
			}
			manager.Field = manager.Field[:len(manager.Field)-1]
		}
	}
}

func (k *objectPersister) link(entity mo.Entity) error {
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
	return k.v.restoreAllocation(vm)
}

// restoreAllocation records what a restored VM holds.
func (v *vcenter) restoreAllocation(vm *simulator.VirtualMachine) error {
	if vm.Config.Template {
		return nil
	}
	v.adopt(vm)
	d := v.requirementsOf(&vm.VirtualMachine)
	c := &allocation{name: d.name, host: d.host, dynamic: map[int32]string{}}
	for _, device := range d.fixed {
		c.fixed = append(c.fixed, device.address)
	}
	if vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn {
		c.reservedMib = d.reservedMib
		for _, device := range vm.Config.Hardware.Device {
			if passthrough, ok := device.(*types.VirtualPCIPassthrough); ok {
				if backing, ok := passthrough.Backing.(*types.VirtualPCIPassthroughDynamicBackingInfo); ok && backing.AssignedId != "" {
					c.dynamic[passthrough.Key] = backing.AssignedId
				}
			}
		}
		for _, use := range v.records.get(d.vm).VGPUs {
			use.sizeGib = v.placement.profileSize(use.Profile)
			c.vgpus = append(c.vgpus, use)
		}
	}
	v.placement.mu.Lock()
	defer v.placement.mu.Unlock()
	v.placement.allocations[d.vm] = c
	return nil
}
