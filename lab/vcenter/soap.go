package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/ovf"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// collectors are made per session at first use, which two first requests at once would do twice.
var firstUse sync.Mutex

// ruledMethods are the calls that the platform's rules are about.
var ruledMethods = map[string]bool{
	"ReconfigVM_Task": true, "PowerOnVM_Task": true, "PowerOffVM_Task": true, "ShutdownGuest": true, "ResetVM_Task": true,
	"SuspendVM_Task": true, "CreateSnapshot_Task": true, "CreateSnapshotEx_Task": true, "RelocateVM_Task": true,
	"MigrateVM_Task": true, "MarkAsTemplate": true, "MarkAsVirtualMachine": true, "SetCustomValue": true,
	"CloneVM_Task": true, "CreateVM_Task": true, "ImportVApp": true, "UpdateConfig": true, "PowerOnMultiVM_Task": true,
	"QueryConfigTarget": true, "UpgradeVM_Task": true, "CreateImportSpec": true,
}

// rule is the common part of objects that hold rules.
type rule struct {
	v *vcenter
	// begin gives the session its own objects back, see intercept.
	begin func()
}

// Entity keeps the registry from taking a rule's object for the entity that it stands for.
func (rule) Entity() {}

// intercept gives calls that rules are about to objects that hold the rules; nil leaves the call as it is.
//
// The simulator prefers a session's own objects to what this function returns, so the ruled object is made one of the
// session's for the length of this call: ctx.Session is this request's copy.
func (v *vcenter) intercept(ctx *simulator.Context, method *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	if ctx.Session == nil {
		return nil, nil
	}
	if method.This.Type == "PropertyCollector" {
		firstUse.Lock()
		defer firstUse.Unlock()
		ctx.Session.Get(method.This)
		return nil, nil
	}
	if actual, ok := subtype(ctx, method.This); ok {
		return v.registry.Get(actual), nil
	}
	if vm, ok := v.vmOfBrowser(method.This); ok {
		browser := v.registry.Get(*v.registry.Get(v.cluster).(*simulator.ClusterComputeResource).EnvironmentBrowser)
		return &vmBrowser{ruledBrowser{browser.(*simulator.EnvironmentBrowser), v.direct()}, vm}, nil
	}
	if !ruledMethods[method.Name] {
		return nil, nil
	}
	own := ctx.Session.Registry
	r := rule{v, func() { ctx.Session.Registry = own }}
	ruled := r.of(v.registry.Get(method.This))
	if ruled == nil {
		return nil, nil
	}
	ctx.Session.Registry = simulator.NewRegistry()
	ctx.Session.Registry.Put(ruled)
	return ruled, nil
}

func (r rule) of(object mo.Reference) mo.Reference {
	switch o := object.(type) {
	case *simulator.VirtualMachine:
		return &ruledVM{o, r}
	case *simulator.Folder:
		return &ruledFolder{o, r}
	case *simulator.ResourcePool:
		return &ruledPool{o, r}
	case *simulator.Datacenter:
		return &ruledDatacenter{o, r}
	case *simulator.EnvironmentBrowser:
		return &ruledBrowser{o, r}
	case *simulator.OvfManager:
		return &ruledOVF{o, r}
	}
	return nil
}

// direct is the rule for calls from here, which need no session.
func (v *vcenter) direct() rule { return rule{v, func() {}} }

// run makes a task of work, as the simulator makes its own, but with the message of a refusal in the task's error.
func run(ctx *simulator.Context, entity mo.Reference, name string, work func() (types.AnyType, *refusal)) types.ManagedObjectReference {
	task := simulator.CreateTask(entity, name, nil)
	ref := ctx.Map.Put(task).Reference()
	ctx.Map.AtomicUpdate(ctx, task, []types.PropertyChange{
		{Name: "info.key", Val: ref.Value},
		{Name: "info.task", Val: ref},
		{Name: "info.startTime", Val: time.Now()},
		{Name: "info.state", Val: types.TaskInfoStateRunning},
	})
	// The caller's lock goes over to the task.
	unlock := ctx.Map.AcquireLock(ctx, task.Info.Entity)
	go func() {
		result, refused := work()
		unlock()
		changes := []types.PropertyChange{
			{Name: "info.completeTime", Val: time.Now()},
			{Name: "info.state", Val: types.TaskInfoStateSuccess},
			{Name: "info.result", Val: result},
		}
		if refused != nil {
			changes[1].Val = types.TaskInfoStateError
			changes = append(changes, types.PropertyChange{Name: "info.error", Val: types.LocalizedMethodFault{
				Fault: refused.fault, LocalizedMessage: refused.message,
			}})
		}
		ctx.Map.AtomicUpdate(ctx, task, changes)
	}()
	return ref
}

// finish waits for a task of the simulator inside one of run.
func finish(ctx *simulator.Context, ref types.ManagedObjectReference) (types.AnyType, *refusal) {
	task := ctx.Map.Get(ref).(*simulator.Task)
	task.Wait()
	if task.Info.Error == nil {
		return task.Info.Result, nil
	}
	return nil, &refusal{task.Info.Error.Fault, describeFault(task.Info.Error.Fault)}
}

// describeFault words the faults that the simulator gives without a message.
func describeFault(fault types.BaseMethodFault) string {
	switch f := fault.(type) {
	case *types.InvalidPowerState:
		return fmt.Sprintf("The attempted operation cannot be performed in the current state (%s).", f.ExistingState)
	case *types.DuplicateName:
		return fmt.Sprintf("The name '%s' already exists.", f.Name)
	case *types.InvalidArgument:
		return fmt.Sprintf("A specified parameter was not correct: %s", f.InvalidProperty)
	case *types.InvalidVmConfig:
		return fmt.Sprintf("Invalid configuration: %s", f.Property)
	case *types.FileAlreadyExists:
		return fmt.Sprintf("The file already exists: %s", f.File)
	}
	if cause := fault.GetMethodFault().FaultCause; cause != nil && cause.LocalizedMessage != "" {
		return cause.LocalizedMessage
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", fault), "*types.")
}

// ---- virtual machines

type ruledVM struct {
	*simulator.VirtualMachine
	rule
}

// demandOf is what a VM with these devices and settings needs. The VM is locked.
func (v *vcenter) demandOf(vm *mo.VirtualMachine) *demand {
	d := &demand{
		vm: vm.Self.Value, name: vm.Name,
		memoryMib: int64(vm.Config.Hardware.MemoryMB), efi: vm.Config.Firmware == string(types.GuestOsDescriptorFirmwareTypeEfi),
	}
	if vm.Runtime.Host != nil {
		if h := v.placement.hostByRef(*vm.Runtime.Host); h != nil {
			d.host = h.name
		}
	}
	if allocation := vm.Config.MemoryAllocation; allocation != nil && allocation.Reservation != nil {
		d.reservedMib = *allocation.Reservation
	}
	if locked := vm.Config.MemoryReservationLockedToMax; locked != nil && *locked {
		d.reservedMib = d.memoryMib
	}
	d.setDevices(vm.Config.Hardware.Device)
	return d
}

func (d *demand) setDevices(devices []types.BaseVirtualDevice) {
	d.fixed, d.dynamic, d.vgpus = nil, nil, nil
	for _, device := range devices {
		passthrough, ok := device.(*types.VirtualPCIPassthrough)
		if !ok {
			continue
		}
		switch backing := passthrough.Backing.(type) {
		case *types.VirtualPCIPassthroughDeviceBackingInfo:
			d.fixed = append(d.fixed, fixedDevice{passthrough.Key, backing.Id, backing.SystemId})
		case *types.VirtualPCIPassthroughDynamicBackingInfo:
			d.dynamic = append(d.dynamic, dynamicDevice{passthrough.Key, backing.AllowedDevice, backing.CustomLabel})
		case *types.VirtualPCIPassthroughVmiopBackingInfo:
			d.vgpus = append(d.vgpus, vgpuDevice{passthrough.Key, backing.Vgpu})
		}
	}
}

// changed is the device list after a change, as far as PCI devices go; touched tells whether any of them changes.
func changed(devices []types.BaseVirtualDevice, changes []types.BaseVirtualDeviceConfigSpec) (after []types.BaseVirtualDevice, touched bool) {
	after = slices.Clone(devices)
	for _, change := range changes {
		spec := change.GetVirtualDeviceConfigSpec()
		if _, ok := spec.Device.(*types.VirtualPCIPassthrough); !ok {
			continue
		}
		touched = true
		if spec.Operation != types.VirtualDeviceConfigSpecOperationAdd {
			after = slices.DeleteFunc(after, func(d types.BaseVirtualDevice) bool {
				return d.GetVirtualDevice().Key == spec.Device.GetVirtualDevice().Key
			})
		}
		if spec.Operation != types.VirtualDeviceConfigSpecOperationRemove {
			after = append(after, spec.Device)
		}
	}
	return after, touched
}

// ReconfigVMTask checks and claims PCI devices before the simulator configures the VM.
func (r *ruledVM) ReconfigVMTask(ctx *simulator.Context, req *types.ReconfigVM_Task) soap.HasFault {
	r.begin()
	return &methods.ReconfigVM_TaskBody{Res: &types.ReconfigVM_TaskResponse{
		Returnval: run(ctx, r.VirtualMachine, "reconfigVm", func() (types.AnyType, *refusal) {
			return nil, r.reconfigure(ctx, &req.Spec)
		}),
	}}
}

func (r *ruledVM) reconfigure(ctx *simulator.Context, spec *types.VirtualMachineConfigSpec) *refusal {
	after, touched := changed(r.Config.Hardware.Device, spec.DeviceChange)
	undo := func() {}
	running := r.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn
	if touched {
		if running {
			return &refusal{
				&types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOff, ExistingState: r.Runtime.PowerState},
				fmt.Sprintf("PCI devices of VM %q can only be changed while it is powered off", r.Name),
			}
		}
		d := r.v.demandOf(&r.VirtualMachine.VirtualMachine)
		d.setDevices(after)
		if refused := r.v.placement.checkDevices(d); refused != nil {
			return refused
		}
		var refused *refusal
		if undo, refused = r.v.placement.configure(d); refused != nil {
			return refused
		}
		completeDevices(spec.DeviceChange)
	}
	if running {
		if refused := r.checkRunning(spec); refused != nil {
			return refused
		}
	}
	r.lockReservation(spec)
	r.mergeProperties(spec)
	if spec.SwapPlacement != "" {
		r.Config.SwapPlacement = spec.SwapPlacement
	}
	res := r.VirtualMachine.ReconfigVMTask(ctx, &types.ReconfigVM_Task{This: r.Self, Spec: *spec})
	if _, refused := finish(ctx, res.(*methods.ReconfigVM_TaskBody).Res.Returnval); refused != nil {
		undo()
		return refused
	}
	r.v.notePolicy(r.Self, spec.VmProfile)
	if info := r.Config.VAppConfig; info != nil {
		if config := info.GetVmConfigInfo(); len(config.Property) > 0 && len(config.OvfEnvironmentTransport) == 0 {
			config.OvfEnvironmentTransport = []string{"com.vmware.guestInfo"}
		}
	}
	return nil
}

// completeDevices puts PCI devices on the PCI controller, where clients may leave that out.
func completeDevices(changes []types.BaseVirtualDeviceConfigSpec) {
	const pciController = 100
	for _, change := range changes {
		spec := change.GetVirtualDeviceConfigSpec()
		if device, ok := spec.Device.(*types.VirtualPCIPassthrough); ok && device.ControllerKey == 0 {
			device.ControllerKey = pciController
		}
	}
}

// checkRunning refuses what would break the memory rule of a running VM with PCI devices.
func (r *ruledVM) checkRunning(spec *types.VirtualMachineConfigSpec) *refusal {
	d := r.v.demandOf(&r.VirtualMachine.VirtualMachine)
	if d.devices() == 0 {
		return nil
	}
	lowered := spec.MemoryAllocation != nil && spec.MemoryAllocation.Reservation != nil && *spec.MemoryAllocation.Reservation != d.memoryMib
	resized := spec.MemoryMB != 0 && spec.MemoryMB != d.memoryMib
	if lowered || resized {
		return configFault("VM %q runs with a PCI device: its memory (%d MB) stays fully reserved and cannot be changed while it is powered on", r.Name, d.memoryMib)
	}
	return nil
}

// lockReservation keeps the reservation equal to the memory when it is locked to it, as ESX does.
func (r *ruledVM) lockReservation(spec *types.VirtualMachineConfigSpec) {
	locked := r.Config.MemoryReservationLockedToMax
	if spec.MemoryReservationLockedToMax != nil {
		locked = spec.MemoryReservationLockedToMax
	}
	if locked == nil || !*locked {
		return
	}
	memory := spec.MemoryMB
	if memory == 0 {
		memory = int64(r.Config.Hardware.MemoryMB)
	}
	allocation := types.ResourceAllocationInfo{}
	if spec.MemoryAllocation != nil {
		allocation = *spec.MemoryAllocation
	} else if r.Config.MemoryAllocation != nil {
		allocation = *r.Config.MemoryAllocation
	}
	allocation.Reservation = &memory
	spec.MemoryAllocation = &allocation
}

// mergeProperties completes edited OVF properties: an edit names what it changes, while the simulator replaces the whole property.
func (r *ruledVM) mergeProperties(spec *types.VirtualMachineConfigSpec) {
	if spec.VAppConfig == nil || r.Config.VAppConfig == nil {
		return
	}
	current := r.Config.VAppConfig.GetVmConfigInfo().Property
	edits := spec.VAppConfig.GetVmConfigSpec().Property
	for i, edit := range edits {
		at := slices.IndexFunc(current, func(p types.VAppPropertyInfo) bool { return edit.Info != nil && p.Key == edit.Info.Key })
		if edit.Operation != types.ArrayUpdateOperationEdit || at < 0 {
			continue
		}
		merged := current[at]
		for _, field := range []struct {
			to   *string
			from string
		}{
			{&merged.Id, edit.Info.Id}, {&merged.Value, edit.Info.Value}, {&merged.DefaultValue, edit.Info.DefaultValue},
			{&merged.Label, edit.Info.Label}, {&merged.Type, edit.Info.Type}, {&merged.Category, edit.Info.Category},
			{&merged.Description, edit.Info.Description}, {&merged.ClassId, edit.Info.ClassId}, {&merged.InstanceId, edit.Info.InstanceId},
		} {
			if field.from != "" {
				*field.to = field.from
			}
		}
		if edit.Info.UserConfigurable != nil {
			merged.UserConfigurable = edit.Info.UserConfigurable
		}
		edits[i].Info = &merged
	}
}

// PowerOnVMTask finds the host that can run the VM, as DRS does, and starts it there.
func (r *ruledVM) PowerOnVMTask(ctx *simulator.Context, req *types.PowerOnVM_Task) soap.HasFault {
	r.begin()
	return &methods.PowerOnVM_TaskBody{Res: &types.PowerOnVM_TaskResponse{
		Returnval: run(ctx, r.VirtualMachine, "powerOn", func() (types.AnyType, *refusal) { return nil, r.powerOn(ctx, req) }),
	}}
}

func (r *ruledVM) powerOn(ctx *simulator.Context, req *types.PowerOnVM_Task) *refusal {
	if r.Config.Template {
		return &refusal{new(types.InvalidState), fmt.Sprintf("%q is a template and cannot be powered on", r.Name)}
	}
	if r.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn {
		fault := &types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: r.Runtime.PowerState}
		return &refusal{fault, describeFault(fault)}
	}
	d := r.v.demandOf(&r.VirtualMachine.VirtualMachine)
	placed, refused := r.v.placement.admit(d, false)
	if refused != nil {
		return refused
	}
	if placed.host != d.host {
		r.v.moveVM(ctx, r.VirtualMachine, placed.host)
	}
	res := r.VirtualMachine.PowerOnVMTask(ctx, req)
	var failed *refusal
	if fault := res.Fault(); fault != nil {
		failed = &refusal{fault.Detail.Fault.(types.BaseMethodFault), fault.String}
	} else {
		_, failed = finish(ctx, res.(*methods.PowerOnVM_TaskBody).Res.Returnval)
	}
	if failed != nil {
		r.v.placement.stop(d.vm)
		return failed
	}
	r.v.assign(ctx, r.VirtualMachine, placed)
	if delay := r.v.options.guestDelay; delay > 0 {
		r.v.guestLater(r.VirtualMachine, delay)
	} else {
		r.v.guestUp(ctx, r.VirtualMachine)
	}
	return nil
}

// assign shows on VM and host which GPUs the VM got.
func (v *vcenter) assign(ctx *simulator.Context, vm *simulator.VirtualMachine, placed *claim) {
	v.records.change(vm.Self.Value, func(r *vmRecord) { r.VGPUs = placed.vgpus })
	if len(placed.dynamic) > 0 {
		v.setAssigned(ctx, vm, placed.dynamic)
	}
	if len(placed.vgpus) > 0 {
		v.showGraphics(ctx, placed.host)
	}
}

func (v *vcenter) setAssigned(ctx *simulator.Context, vm *simulator.VirtualMachine, assigned map[int32]string) {
	devices := slices.Clone(vm.Config.Hardware.Device)
	for i, device := range devices {
		passthrough, ok := device.(*types.VirtualPCIPassthrough)
		if !ok {
			continue
		}
		if backing, ok := passthrough.Backing.(*types.VirtualPCIPassthroughDynamicBackingInfo); ok {
			newBacking, newDevice := *backing, *passthrough
			newBacking.AssignedId = assigned[passthrough.Key]
			newDevice.Backing = &newBacking
			devices[i] = &newDevice
		}
	}
	ctx.Update(vm, []types.PropertyChange{{Name: "config.hardware.device", Val: devices}})
}

// moveVM is DRS's initial placement: a powered-off VM changes its host.
func (v *vcenter) moveVM(ctx *simulator.Context, vm *simulator.VirtualMachine, name string) {
	target := v.registry.Get(v.placement.hostByName(name).ref).(*simulator.HostSystem)
	if source, ok := v.registry.Get(*vm.Runtime.Host).(*simulator.HostSystem); ok {
		v.registry.RemoveReference(ctx, source, &source.Vm, vm.Self)
	}
	v.registry.AddReference(ctx, target, &target.Vm, vm.Self)
	ref := target.Self
	ctx.Update(vm, []types.PropertyChange{
		{Name: "runtime.host", Val: &ref},
		{Name: "summary.runtime.host", Val: &ref},
	})
}

// stopped releases what only a running VM holds.
func (v *vcenter) stopped(ctx *simulator.Context, vm *simulator.VirtualMachine) {
	held := v.placement.held(vm.Self.Value)
	v.placement.stop(vm.Self.Value)
	v.records.change(vm.Self.Value, func(r *vmRecord) { r.VGPUs = nil })
	if len(held.dynamic) > 0 {
		v.setAssigned(ctx, vm, nil)
	}
	if len(held.vgpus) > 0 {
		v.showGraphics(ctx, held.host)
	}
	v.guestDown(ctx, vm)
}

// PowerOffVMTask releases vGPUs, dynamic devices and memory.
func (r *ruledVM) PowerOffVMTask(ctx *simulator.Context, req *types.PowerOffVM_Task) soap.HasFault {
	r.begin()
	return &methods.PowerOffVM_TaskBody{Res: &types.PowerOffVM_TaskResponse{
		Returnval: run(ctx, r.VirtualMachine, "powerOff", func() (types.AnyType, *refusal) { return nil, r.powerOff(ctx) }),
	}}
}

func (r *ruledVM) powerOff(ctx *simulator.Context) *refusal {
	res := r.VirtualMachine.PowerOffVMTask(ctx, &types.PowerOffVM_Task{This: r.Self})
	if _, refused := finish(ctx, res.(*methods.PowerOffVM_TaskBody).Res.Returnval); refused != nil {
		return refused
	}
	r.v.stopped(ctx, r.VirtualMachine)
	return nil
}

// ShutdownGuest lets the simulated guest end at once.
func (r *ruledVM) ShutdownGuest(ctx *simulator.Context, _ *types.ShutdownGuest) soap.HasFault {
	r.begin()
	if state := r.Runtime.PowerState; state != types.VirtualMachinePowerStatePoweredOn {
		fault := &types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: state}
		return &methods.ShutdownGuestBody{Fault_: simulator.Fault(describeFault(fault), fault)}
	}
	run(ctx, r.VirtualMachine, "shutdownGuest", func() (types.AnyType, *refusal) { return nil, r.powerOff(ctx) })
	return &methods.ShutdownGuestBody{Res: new(types.ShutdownGuestResponse)}
}

// ResetVMTask keeps the VM where it is, with what it holds.
func (r *ruledVM) ResetVMTask(ctx *simulator.Context, _ *types.ResetVM_Task) soap.HasFault {
	r.begin()
	return &methods.ResetVM_TaskBody{Res: &types.ResetVM_TaskResponse{
		Returnval: run(ctx, r.VirtualMachine, "reset", func() (types.AnyType, *refusal) {
			if refused := r.powerOff(ctx); refused != nil {
				return nil, refused
			}
			return nil, r.powerOn(ctx, &types.PowerOnVM_Task{This: r.Self})
		}),
	}}
}

// SuspendVMTask is refused for passthrough devices.
func (r *ruledVM) SuspendVMTask(ctx *simulator.Context, req *types.SuspendVM_Task) soap.HasFault {
	r.begin()
	if refused := r.movable("suspend"); refused != nil {
		return &methods.SuspendVM_TaskBody{Fault_: simulator.Fault(refused.message, refused.fault)}
	}
	return r.VirtualMachine.SuspendVMTask(ctx, req)
}

// movable is the refusal of what passthrough devices forbid: their state cannot be saved or sent.
func (r *ruledVM) movable(what string) *refusal {
	d := r.v.demandOf(&r.VirtualMachine.VirtualMachine)
	if len(d.fixed)+len(d.dynamic) == 0 {
		return nil
	}
	device := "PCI device (DirectPath I/O)"
	return &refusal{&types.DeviceNotSupported{Device: device},
		fmt.Sprintf("Cannot %s VM %q: it has a %s, whose state can be neither saved nor moved", what, r.Name, device)}
}

// CreateSnapshotTask is refused for passthrough devices, and with memory for vGPUs.
func (r *ruledVM) CreateSnapshotTask(ctx *simulator.Context, req *types.CreateSnapshot_Task) soap.HasFault {
	r.begin()
	if refused := r.snapshotRefused(req.Memory); refused != nil {
		return &methods.CreateSnapshot_TaskBody{Fault_: simulator.Fault(refused.message, refused.fault)}
	}
	return r.VirtualMachine.CreateSnapshotTask(ctx, req)
}

// CreateSnapshotExTask is refused as CreateSnapshotTask is.
func (r *ruledVM) CreateSnapshotExTask(ctx *simulator.Context, req *types.CreateSnapshotEx_Task) soap.HasFault {
	r.begin()
	if refused := r.snapshotRefused(req.Memory); refused != nil {
		return &methods.CreateSnapshotEx_TaskBody{Fault_: simulator.Fault(refused.message, refused.fault)}
	}
	return r.VirtualMachine.CreateSnapshotExTask(ctx, req)
}

func (r *ruledVM) snapshotRefused(memory bool) *refusal {
	if refused := r.movable("take a snapshot of"); refused != nil {
		return refused
	}
	running := r.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn
	if len(r.v.demandOf(&r.VirtualMachine.VirtualMachine).vgpus) > 0 && running {
		what := "a disk"
		if memory {
			what = "a memory"
		}
		return &refusal{&types.DeviceNotSupported{Device: "vGPU"},
			fmt.Sprintf("Cannot take %s snapshot of running VM %q: its hosts' vGPU driver does not support that", what, r.Name)}
	}
	return nil
}

// RelocateVMTask keeps VMs with GPUs where their GPU is.
func (r *ruledVM) RelocateVMTask(ctx *simulator.Context, req *types.RelocateVM_Task) soap.HasFault {
	r.begin()
	if refused := r.relocateRefused(req.Spec.Host); refused != nil {
		return &methods.RelocateVM_TaskBody{Fault_: simulator.Fault(refused.message, refused.fault)}
	}
	return &methods.RelocateVM_TaskBody{Res: &types.RelocateVM_TaskResponse{
		Returnval: run(ctx, r.VirtualMachine, "relocateVm", func() (types.AnyType, *refusal) {
			return nil, r.relocate(ctx, req)
		}),
	}}
}

func (r *ruledVM) relocate(ctx *simulator.Context, req *types.RelocateVM_Task) *refusal {
	before := *r.Runtime.Host
	if target := req.Spec.Host; target != nil && *target != before {
		d := r.v.demandOf(&r.VirtualMachine.VirtualMachine)
		h := r.v.placement.hostByRef(*target)
		if h == nil {
			return &refusal{&types.ManagedObjectNotFound{Obj: *target}, fmt.Sprintf("there is no host %s", target.Value)}
		}
		d.host = h.name
		if r.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn {
			placed, refused := r.v.placement.admit(d, false)
			if refused != nil {
				return refused
			}
			if placed.host != h.name {
				return &refusal{new(types.NoCompatibleHost), fmt.Sprintf("host %s cannot take VM %q", h.name, r.Name)}
			}
		} else if _, refused := r.v.placement.configure(d); refused != nil {
			return refused
		}
		r.v.moveVM(ctx, r.VirtualMachine, h.name)
	}
	spec := req.Spec
	spec.Host = nil
	res := r.VirtualMachine.RelocateVMTask(ctx, &types.RelocateVM_Task{This: r.Self, Spec: spec, Priority: req.Priority})
	_, refused := finish(ctx, res.(*methods.RelocateVM_TaskBody).Res.Returnval)
	r.v.notePolicy(r.Self, spec.Profile)
	return refused
}

func (r *ruledVM) relocateRefused(target *types.ManagedObjectReference) *refusal {
	if target == nil || r.Runtime.Host == nil || *target == *r.Runtime.Host {
		return nil
	}
	d := r.v.demandOf(&r.VirtualMachine.VirtualMachine)
	running := r.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn
	switch {
	case len(d.fixed) > 0 || running && len(d.dynamic) > 0:
		return r.movable("migrate")
	case running && len(d.vgpus) > 0:
		return &refusal{&types.DeviceNotSupported{Device: "vGPU"},
			fmt.Sprintf("Cannot migrate running VM %q with a vGPU: vgpu.hotmigrate.enabled is not set in vCenter", r.Name)}
	}
	return nil
}

// MigrateVMTask is the older form of RelocateVMTask.
func (r *ruledVM) MigrateVMTask(ctx *simulator.Context, req *types.MigrateVM_Task) soap.HasFault {
	r.begin()
	spec := types.VirtualMachineRelocateSpec{Host: req.Host, Pool: req.Pool}
	res := r.RelocateVMTask(ctx, &types.RelocateVM_Task{This: r.Self, Spec: spec}).(*methods.RelocateVM_TaskBody)
	if res.Fault_ != nil {
		return &methods.MigrateVM_TaskBody{Fault_: res.Fault_}
	}
	return &methods.MigrateVM_TaskBody{Res: &types.MigrateVM_TaskResponse{Returnval: res.Res.Returnval}}
}

// forget releases everything of a VM that is gone.
func (v *vcenter) forget(vm types.ManagedObjectReference) {
	v.placement.forget(vm.Value)
	v.addresses.release(v.records.get(vm.Value).IP)
	v.records.drop(vm.Value)
	v.owned.drop(vm.Value)
	v.vapi.detach(vm)
}

// MarkAsTemplate and the calls below change a VM without announcing it.
func (r *ruledVM) MarkAsTemplate(req *types.MarkAsTemplate) soap.HasFault {
	r.begin()
	defer r.v.keeper.touched(r.Self)
	return r.VirtualMachine.MarkAsTemplate(req)
}

// MarkAsVirtualMachine makes a VM of a template.
func (r *ruledVM) MarkAsVirtualMachine(req *types.MarkAsVirtualMachine) soap.HasFault {
	r.begin()
	defer r.v.keeper.touched(r.Self)
	return r.VirtualMachine.MarkAsVirtualMachine(req)
}

// SetCustomValue sets a custom attribute.
func (r *ruledVM) SetCustomValue(ctx *simulator.Context, req *types.SetCustomValue) soap.HasFault {
	r.begin()
	defer r.v.keeper.touched(r.Self)
	return r.VirtualMachine.SetCustomValue(ctx, req)
}

// UpgradeVMTask knows the versions of the site; the simulator knows those of the hosts that it was made with.
func (r *ruledVM) UpgradeVMTask(ctx *simulator.Context, req *types.UpgradeVM_Task) soap.HasFault {
	r.begin()
	return &methods.UpgradeVM_TaskBody{Res: &types.UpgradeVM_TaskResponse{
		Returnval: run(ctx, r.VirtualMachine, "upgradeVm", func() (types.AnyType, *refusal) {
			wanted, err := types.ParseHardwareVersion(req.Version)
			if req.Version == "" {
				wanted, err = newestHardware, nil
			}
			current, _ := types.ParseHardwareVersion(r.Config.Version)
			switch {
			case err != nil || wanted > newestHardware:
				return nil, &refusal{new(types.NotSupported), fmt.Sprintf("hardware version %s is not supported; the newest is %s", req.Version, newestHardware)}
			case wanted <= current:
				return nil, &refusal{new(types.AlreadyUpgraded), fmt.Sprintf("VM %q has hardware version %s already", r.Name, current)}
			case r.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOff:
				fault := &types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOff, ExistingState: r.Runtime.PowerState}
				return nil, &refusal{fault, describeFault(fault)}
			}
			ctx.Update(r.VirtualMachine, []types.PropertyChange{
				{Name: "config.version", Val: wanted.String()},
				{Name: "summary.config.hwVersion", Val: wanted.String()},
			})
			return nil, nil
		}),
	}}
}

// newestHardware is the virtual hardware of ESX 9.0.
const newestHardware = types.VMX22

// CloneVMTask clones what the simulator clones, and the firmware, vApp and memory settings that it leaves out.
func (r *ruledVM) CloneVMTask(ctx *simulator.Context, req *types.CloneVM_Task) soap.HasFault {
	r.begin()
	return &methods.CloneVM_TaskBody{Res: &types.CloneVM_TaskResponse{
		Returnval: run(ctx, r.VirtualMachine, "cloneVm", func() (types.AnyType, *refusal) { return r.clone(ctx, req) }),
	}}
}

func (r *ruledVM) clone(ctx *simulator.Context, req *types.CloneVM_Task) (types.AnyType, *refusal) {
	spec := req.Spec
	if spec.Location.Host == nil {
		// The simulator puts every clone on the template's host; DRS would not.
		ref := r.v.placement.quiet().ref
		spec.Location.Host = &ref
	}
	var changes []types.BaseVirtualDeviceConfigSpec
	changes = append(changes, spec.Location.DeviceChange...)
	config := spec.Config
	if config != nil {
		changes = append(changes, config.DeviceChange...)
	}
	devices, _ := changed(r.Config.Hardware.Device, changes)
	d := &demand{vm: "clone-" + randomID(), name: req.Name}
	if h := r.v.placement.hostByRef(*spec.Location.Host); h != nil {
		d.host = h.name
	}
	d.setDevices(devices)
	if refused := r.v.placement.checkDevices(d); refused != nil {
		return nil, refused
	}
	if _, refused := r.v.placement.configure(d); refused != nil {
		return nil, refused
	}
	defer r.v.placement.forget(d.vm)
	spec.Config, spec.PowerOn = nil, false
	res := r.VirtualMachine.CloneVMTask(ctx, &types.CloneVM_Task{This: r.Self, Folder: req.Folder, Name: req.Name, Spec: spec})
	made, refused := finish(ctx, res.(*methods.CloneVM_TaskBody).Res.Returnval)
	if refused != nil {
		return nil, refused
	}
	clone := r.v.registry.Get(made.(types.ManagedObjectReference)).(*simulator.VirtualMachine)
	ctx.WithLock(clone, func() { refused = r.finishClone(ctx, clone, d, config, req.Spec.PowerOn) })
	if refused != nil {
		res := clone.DestroyTask(ctx, &types.Destroy_Task{This: clone.Self})
		_, _ = finish(ctx, res.(*methods.Destroy_TaskBody).Res.Returnval)
		return nil, refused
	}
	return made, nil
}

func (r *ruledVM) finishClone(
	ctx *simulator.Context, clone *simulator.VirtualMachine, d *demand, config *types.VirtualMachineConfigSpec, powerOn bool,
) *refusal {
	r.v.copySettings(ctx, &r.VirtualMachine.VirtualMachine, clone)
	r.v.placement.rename(d.vm, clone.Self.Value)
	ruled := &ruledVM{clone, r.v.direct()}
	if config != nil {
		if refused := ruled.reconfigure(ctx, config); refused != nil {
			return refused
		}
	}
	if powerOn {
		return ruled.powerOn(ctx, &types.PowerOnVM_Task{This: clone.Self})
	}
	return nil
}

// copySettings gives a clone what the simulator forgets, and ids of its own: those that the simulator gives depend only on the name.
func (v *vcenter) copySettings(ctx *simulator.Context, source *mo.VirtualMachine, clone *simulator.VirtualMachine) {
	clone.Config.Firmware = source.Config.Firmware
	clone.Config.Annotation = source.Config.Annotation
	clone.Config.Flags = source.Config.Flags
	clone.Config.MemoryReservationLockedToMax = source.Config.MemoryReservationLockedToMax
	if source.Config.BootOptions != nil {
		options := *source.Config.BootOptions
		clone.Config.BootOptions = &options
	}
	if allocation := source.Config.MemoryAllocation; allocation != nil {
		copied := *allocation
		clone.Config.MemoryAllocation = &copied
	}
	if source.Config.VAppConfig != nil {
		info := *source.Config.VAppConfig.GetVmConfigInfo()
		info.Property, info.Product = slices.Clone(info.Property), slices.Clone(info.Product)
		clone.Config.VAppConfig = &info
	}
	v.freshIDs(ctx, clone)
}

func (v *vcenter) freshIDs(ctx *simulator.Context, vm *simulator.VirtualMachine) {
	bios, instance := uuid.NewString(), uuid.NewString()
	ctx.Update(vm, []types.PropertyChange{
		{Name: "config.uuid", Val: bios},
		{Name: "summary.config.uuid", Val: bios},
		{Name: "config.instanceUuid", Val: instance},
		{Name: "summary.config.instanceUuid", Val: instance},
	})
}

// reclaim records what a restored VM holds.
func (v *vcenter) reclaim(vm *simulator.VirtualMachine) error {
	if vm.Config.Template {
		return nil
	}
	v.adopt(vm)
	d := v.demandOf(&vm.VirtualMachine)
	c := &claim{name: d.name, host: d.host, dynamic: map[int32]string{}}
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
	v.placement.claims[d.vm] = c
	return nil
}

// ---- folders, pools, datacenter

type ruledFolder struct {
	*simulator.Folder
	rule
}

// CreateVMTask checks the new VM's PCI devices.
func (f *ruledFolder) CreateVMTask(ctx *simulator.Context, req *types.CreateVM_Task) soap.HasFault {
	f.begin()
	return &methods.CreateVM_TaskBody{Res: &types.CreateVM_TaskResponse{
		Returnval: run(ctx, f.Folder, "createVm", func() (types.AnyType, *refusal) { return f.create(ctx, req) }),
	}}
}

func (f *ruledFolder) create(ctx *simulator.Context, req *types.CreateVM_Task) (types.AnyType, *refusal) {
	if req.Host == nil {
		ref := f.v.placement.quiet().ref
		req.Host = &ref
	}
	fillIDs(&req.Config)
	devices, _ := changed(nil, req.Config.DeviceChange)
	d := &demand{vm: "new-" + randomID(), name: req.Config.Name}
	if h := f.v.placement.hostByRef(*req.Host); h != nil {
		d.host = h.name
	}
	d.setDevices(devices)
	if refused := f.v.placement.checkDevices(d); refused != nil {
		return nil, refused
	}
	if _, refused := f.v.placement.configure(d); refused != nil {
		return nil, refused
	}
	defer f.v.placement.forget(d.vm)
	completeDevices(req.Config.DeviceChange)
	res := f.Folder.CreateVMTask(ctx, req)
	made, refused := finish(ctx, res.(*methods.CreateVM_TaskBody).Res.Returnval)
	if refused != nil {
		return nil, refused
	}
	ref := made.(types.ManagedObjectReference)
	f.v.placement.rename(d.vm, ref.Value)
	vm := f.v.registry.Get(ref).(*simulator.VirtualMachine)
	ctx.WithLock(vm, func() { (&ruledVM{vm, f.v.direct()}).lockConfigured() })
	f.v.notePolicy(ref, req.Config.VmProfile)
	return made, nil
}

func (r *ruledVM) lockConfigured() {
	spec := types.VirtualMachineConfigSpec{}
	r.lockReservation(&spec)
	if spec.MemoryAllocation != nil {
		r.Config.MemoryAllocation = spec.MemoryAllocation
	}
}

func fillIDs(config *types.VirtualMachineConfigSpec) {
	if config.Uuid == "" {
		config.Uuid = uuid.NewString()
	}
	if config.InstanceUuid == "" {
		config.InstanceUuid = uuid.NewString()
	}
}

type ruledPool struct {
	*simulator.ResourcePool
	rule
}

// ImportVApp deploys OVF; the VM gets ids of its own and a host like any other.
func (p *ruledPool) ImportVApp(ctx *simulator.Context, req *types.ImportVApp) soap.HasFault {
	p.begin()
	if spec, ok := req.Spec.(*types.VirtualMachineImportSpec); ok {
		fillIDs(&spec.ConfigSpec)
	}
	if req.Host == nil {
		ref := p.v.placement.quiet().ref
		req.Host = &ref
	}
	return p.ResourcePool.ImportVApp(ctx, req)
}

// UpdateConfig changes a pool without announcing it.
func (p *ruledPool) UpdateConfig(ctx *simulator.Context, req *types.UpdateConfig) soap.HasFault {
	p.begin()
	defer p.v.keeper.touched(p.Self)
	return p.ResourcePool.UpdateConfig(ctx, req)
}

type ruledDatacenter struct {
	*simulator.Datacenter
	rule
}

// PowerOnMultiVMTask starts each VM by the rules.
func (d *ruledDatacenter) PowerOnMultiVMTask(ctx *simulator.Context, req *types.PowerOnMultiVM_Task) soap.HasFault {
	d.begin()
	return &methods.PowerOnMultiVM_TaskBody{Res: &types.PowerOnMultiVM_TaskResponse{
		Returnval: run(ctx, d.Datacenter, "powerOnMultiVM", func() (types.AnyType, *refusal) {
			result := types.ClusterPowerOnVmResult{Attempted: []types.ClusterAttemptedVmInfo{}}
			for _, ref := range req.Vm {
				vm, ok := d.v.registry.Get(ref).(*simulator.VirtualMachine)
				if !ok {
					return nil, &refusal{&types.ManagedObjectNotFound{Obj: ref}, fmt.Sprintf("there is no VM %s", ref.Value)}
				}
				own := &simulator.Context{Context: ctx.Context, Session: ctx.Session, Map: ctx.Map}
				own.WithLock(vm, func() {
					ruled := &ruledVM{vm, d.v.direct()}
					task := ruled.PowerOnVMTask(own, &types.PowerOnVM_Task{This: ref}).(*methods.PowerOnVM_TaskBody).Res.Returnval
					result.Attempted = append(result.Attempted, types.ClusterAttemptedVmInfo{Vm: ref, Task: &task})
				})
			}
			return result, nil
		}),
	}}
}

// ---- environment browser and OVF

type ruledBrowser struct {
	*simulator.EnvironmentBrowser
	rule
}

// QueryConfigTarget adds what a VM on this host, or on any host, could get of GPUs.
func (b *ruledBrowser) QueryConfigTarget(ctx *simulator.Context, req *types.QueryConfigTarget) soap.HasFault {
	b.begin()
	res := b.EnvironmentBrowser.QueryConfigTarget(ctx, req)
	body, ok := res.(*methods.QueryConfigTargetBody)
	if !ok || body.Res == nil {
		return res
	}
	target := body.Res.Returnval
	for _, h := range b.v.placement.hosts {
		if req.Host != nil && h.ref != *req.Host {
			continue
		}
		for _, g := range h.gpus {
			if g.model.Use == "passthrough" {
				target.PciPassthrough = append(target.PciPassthrough, &types.VirtualMachinePciPassthroughInfo{
					VirtualMachineTargetInfo: types.VirtualMachineTargetInfo{Name: g.address},
					PciDevice:                pciDevice(g.address, g.model),
					SystemId:                 h.systemID,
				})
				if !slices.ContainsFunc(target.DynamicPassthrough, func(i types.VirtualMachineDynamicPassthroughInfo) bool {
					return int64(i.DeviceId) == pciID(g.model.Device)
				}) {
					target.DynamicPassthrough = append(target.DynamicPassthrough, types.VirtualMachineDynamicPassthroughInfo{
						VirtualMachineTargetInfo: types.VirtualMachineTargetInfo{Name: g.model.Name},
						VendorName:               g.model.VendorName, DeviceName: g.model.Name,
						VendorId: int32(pciID(g.model.Vendor)), DeviceId: int32(pciID(g.model.Device)),
					})
				}
				continue
			}
			for _, profile := range sortedKeys(g.model.Profiles) {
				if !slices.ContainsFunc(target.SharedGpuPassthroughTypes, func(i types.VirtualMachinePciSharedGpuPassthroughInfo) bool {
					return i.Vgpu == profile
				}) {
					target.SharedGpuPassthroughTypes = append(target.SharedGpuPassthroughTypes, types.VirtualMachinePciSharedGpuPassthroughInfo{
						VirtualMachineTargetInfo: types.VirtualMachineTargetInfo{Name: profile}, Vgpu: profile,
					})
					target.VgpuProfileInfo = append(target.VgpuProfileInfo, types.VirtualMachineVgpuProfileInfo{
						VirtualMachineTargetInfo: types.VirtualMachineTargetInfo{Name: profile}, ProfileName: profile,
						DeviceVendorId: pciID(g.model.Device)<<16 | pciID(g.model.Vendor), FbSizeInGib: g.model.Profiles[profile],
						ProfileSharing: "TimeSliced", ProfileClass: "Compute",
					})
				}
			}
		}
	}
	return body
}

// vmBrowser is the environment browser of one VM, whose options are those of the VM's own hardware version. The simulator
// gives VMs that of their cluster.
type vmBrowser struct {
	ruledBrowser
	vm *simulator.VirtualMachine
}

const browserPrefix = "envbrowser-"

func (v *vcenter) vmOfBrowser(ref types.ManagedObjectReference) (*simulator.VirtualMachine, bool) {
	id, ok := strings.CutPrefix(ref.Value, browserPrefix)
	if !ok || ref.Type != "EnvironmentBrowser" {
		return nil, false
	}
	vm, ok := v.registry.Get(types.ManagedObjectReference{Type: "VirtualMachine", Value: id}).(*simulator.VirtualMachine)
	return vm, ok
}

// QueryConfigOption describes a hardware version, by default that of the VM.
func (b *vmBrowser) QueryConfigOption(req *types.QueryConfigOption) soap.HasFault {
	key := req.Key
	if key == "" {
		key = b.vm.Config.Version
	}
	return &methods.QueryConfigOptionBody{Res: &types.QueryConfigOptionResponse{Returnval: configOption(key)}}
}

func configOption(version string) *types.VirtualMachineConfigOption {
	option := &types.VirtualMachineConfigOption{Version: version, DefaultDevice: esx.VirtualDevice}
	if parsed, err := types.ParseHardwareVersion(version); err == nil {
		option.HardwareOptions.HwVersion = int32(parsed)
	}
	return option
}

type ruledOVF struct {
	*simulator.OvfManager
	rule
}

// CreateImportSpec adds the firmware of the descriptor, which the simulator does not read.
func (m *ruledOVF) CreateImportSpec(ctx *simulator.Context, req *types.CreateImportSpec) soap.HasFault {
	m.begin()
	res := m.OvfManager.CreateImportSpec(ctx, req)
	body, ok := res.(*methods.CreateImportSpecBody)
	if !ok || body.Res == nil {
		return res
	}
	spec, ok := body.Res.Returnval.ImportSpec.(*types.VirtualMachineImportSpec)
	if !ok {
		return res
	}
	// The simulator repeats OVF properties, secrets among them, as extraConfig; vCenter does not.
	spec.ConfigSpec.ExtraConfig = nil
	env, err := ovf.Unmarshal(strings.NewReader(req.OvfDescriptor))
	if err != nil || env.VirtualSystem == nil {
		return res
	}
	for _, hardware := range env.VirtualSystem.VirtualHardware {
		for _, config := range hardware.Config {
			if config.Key == "firmware" {
				spec.ConfigSpec.Firmware = config.Value
			}
		}
	}
	return res
}
