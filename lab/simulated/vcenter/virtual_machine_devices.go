package main

import (
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// requirementsOf is what a VM with these devices and settings needs. The VM is locked.
func (v *vcenter) requirementsOf(vm *mo.VirtualMachine) *requirements {
	d := &requirements{
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

func (d *requirements) setDevices(devices []types.BaseVirtualDevice) {
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

// applyDeviceChanges is the device list after a change, as far as PCI devices go; changed tells whether any of them changes.
func applyDeviceChanges(devices []types.BaseVirtualDevice, changes []types.BaseVirtualDeviceConfigSpec) (after []types.BaseVirtualDevice, changed bool) {
	after = slices.Clone(devices)
	for _, change := range changes {
		spec := change.GetVirtualDeviceConfigSpec()
		if _, ok := spec.Device.(*types.VirtualPCIPassthrough); !ok {
			continue
		}
		changed = true
		if spec.Operation != types.VirtualDeviceConfigSpecOperationAdd {
			after = slices.DeleteFunc(after, func(d types.BaseVirtualDevice) bool {
				return d.GetVirtualDevice().Key == spec.Device.GetVirtualDevice().Key
			})
		}
		if spec.Operation != types.VirtualDeviceConfigSpecOperationRemove {
			after = append(after, spec.Device)
		}
	}
	return after, changed
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

// assign shows on VM and host which GPUs the VM got.
func (v *vcenter) assign(ctx *simulator.Context, vm *simulator.VirtualMachine, placed *allocation) {
	v.records.change(vm.Self.Value, func(r *vmRecord) { r.VGPUs = placed.vgpus })
	if len(placed.dynamic) > 0 {
		v.setAssigned(ctx, vm, placed.dynamic)
	}
	if len(placed.vgpus) > 0 {
		v.updateGraphicsInfo(ctx, placed.host)
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
