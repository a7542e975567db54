package main

import (
	"slices"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// CloneVMTask clones what the simulator clones, and the firmware, vApp and memory settings that it leaves out.
func (r *validatingVM) CloneVMTask(ctx *simulator.Context, req *types.CloneVM_Task) soap.HasFault {
	r.restoreSession()
	return &methods.CloneVM_TaskBody{Res: &types.CloneVM_TaskResponse{
		Returnval: runTask(ctx, r.VirtualMachine, "cloneVm", func() (types.AnyType, *methodFault) { return r.clone(ctx, req) }),
	}}
}

func (r *validatingVM) clone(ctx *simulator.Context, req *types.CloneVM_Task) (types.AnyType, *methodFault) {
	spec := req.Spec
	spec.Location.Host = r.v.placement.requestedOrLeastLoaded(spec.Location.Host)
	var changes []types.BaseVirtualDeviceConfigSpec
	changes = append(changes, spec.Location.DeviceChange...)
	config := spec.Config
	if config != nil {
		changes = append(changes, config.DeviceChange...)
	}
	devices, _ := applyDeviceChanges(r.Config.Hardware.Device, changes)
	d, refused := r.v.placement.allocateNew(req.Name, *spec.Location.Host, devices)
	if refused != nil {
		return nil, refused
	}
	defer r.v.placement.release(d.vm)
	spec.Config, spec.PowerOn = nil, false
	res := r.VirtualMachine.CloneVMTask(ctx, &types.CloneVM_Task{This: r.Self, Folder: req.Folder, Name: req.Name, Spec: spec})
	result, refused := awaitSimulatorTask(ctx, res.(*methods.CloneVM_TaskBody).Res.Returnval)
	if refused != nil {
		return nil, refused
	}
	clone := r.v.registry.Get(result.(types.ManagedObjectReference)).(*simulator.VirtualMachine)
	ctx.WithLock(clone, func() { refused = r.finishClone(ctx, clone, d, config, req.Spec.PowerOn) })
	if refused != nil {
		res := clone.DestroyTask(ctx, &types.Destroy_Task{This: clone.Self})
		_, _ = awaitSimulatorTask(ctx, res.(*methods.Destroy_TaskBody).Res.Returnval)
		return nil, refused
	}
	return result, nil
}

func (r *validatingVM) finishClone(
	ctx *simulator.Context, clone *simulator.VirtualMachine, d *requirements, config *types.VirtualMachineConfigSpec, powerOn bool,
) *methodFault {
	r.v.copySettings(ctx, &r.VirtualMachine.VirtualMachine, clone)
	r.v.placement.rename(d.vm, clone.Self.Value)
	validating := &validatingVM{clone, r.v.directValidator()}
	if config != nil {
		if refused := validating.reconfigure(ctx, config); refused != nil {
			return refused
		}
	}
	if powerOn {
		return validating.powerOn(ctx, &types.PowerOnVM_Task{This: clone.Self})
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
	v.renewIDs(ctx, clone)
}

func (v *vcenter) renewIDs(ctx *simulator.Context, vm *simulator.VirtualMachine) {
	bios, instance := uuid.NewString(), uuid.NewString()
	ctx.Update(vm, []types.PropertyChange{
		{Name: "config.uuid", Val: bios},
		{Name: "summary.config.uuid", Val: bios},
		{Name: "config.instanceUuid", Val: instance},
		{Name: "summary.config.instanceUuid", Val: instance},
	})
}

func fillIDs(config *types.VirtualMachineConfigSpec) {
	if config.Uuid == "" {
		config.Uuid = uuid.NewString()
	}
	if config.InstanceUuid == "" {
		config.InstanceUuid = uuid.NewString()
	}
}
