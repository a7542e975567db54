package main

import (
	"fmt"
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// ReconfigVMTask checks and allocates PCI devices before the simulator configures the VM.
func (r *validatingVM) ReconfigVMTask(ctx *simulator.Context, req *types.ReconfigVM_Task) soap.HasFault {
	r.restoreSession()
	return &methods.ReconfigVM_TaskBody{Res: &types.ReconfigVM_TaskResponse{
		Returnval: runTask(ctx, r.VirtualMachine, "reconfigVm", func() (types.AnyType, *methodFault) {
			return nil, r.reconfigure(ctx, &req.Spec)
		}),
	}}
}

func (r *validatingVM) reconfigure(ctx *simulator.Context, spec *types.VirtualMachineConfigSpec) *methodFault {
	after, touched := applyDeviceChanges(r.Config.Hardware.Device, spec.DeviceChange)
	undo := func() {}
	running := r.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn
	if touched {
		if running {
			return &methodFault{
				&types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOff, ExistingState: r.Runtime.PowerState},
				fmt.Sprintf("PCI devices of VM %q can only be changed while it is powered off", r.Name),
			}
		}
		d := r.v.requirementsOf(&r.VirtualMachine.VirtualMachine)
		d.setDevices(after)
		if refused := r.v.placement.checkDevices(d); refused != nil {
			return refused
		}
		var refused *methodFault
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
	if _, refused := awaitSimulatorTask(ctx, res.(*methods.ReconfigVM_TaskBody).Res.Returnval); refused != nil {
		undo()
		return refused
	}
	r.v.recordPolicy(r.Self, spec.VmProfile)
	if info := r.Config.VAppConfig; info != nil {
		if config := info.GetVmConfigInfo(); len(config.Property) > 0 && len(config.OvfEnvironmentTransport) == 0 {
			config.OvfEnvironmentTransport = []string{"com.vmware.guestInfo"}
		}
	}
	return nil
}

// checkRunning refuses what would break the memory rule of a running VM with PCI devices.
func (r *validatingVM) checkRunning(spec *types.VirtualMachineConfigSpec) *methodFault {
	d := r.v.requirementsOf(&r.VirtualMachine.VirtualMachine)
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
func (r *validatingVM) lockReservation(spec *types.VirtualMachineConfigSpec) {
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

func (r *validatingVM) lockConfigured() {
	spec := types.VirtualMachineConfigSpec{}
	r.lockReservation(&spec)
	if spec.MemoryAllocation != nil {
		r.Config.MemoryAllocation = spec.MemoryAllocation
	}
}

// mergeProperties completes edited OVF properties: an edit names what it changes, while the simulator replaces the whole property.
func (r *validatingVM) mergeProperties(spec *types.VirtualMachineConfigSpec) {
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
