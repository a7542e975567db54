package main

import (
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// RelocateVMTask keeps VMs with GPUs where their GPU is.
func (r *validatingVM) RelocateVMTask(ctx *simulator.Context, req *types.RelocateVM_Task) soap.HasFault {
	r.restoreSession()
	if refused := r.checkRelocate(req.Spec.Host); refused != nil {
		return &methods.RelocateVM_TaskBody{Fault_: simulator.Fault(refused.message, refused.fault)}
	}
	return &methods.RelocateVM_TaskBody{Res: &types.RelocateVM_TaskResponse{
		Returnval: runTask(ctx, r.VirtualMachine, "relocateVm", func() (types.AnyType, *methodFault) {
			return nil, r.relocate(ctx, req)
		}),
	}}
}

func (r *validatingVM) relocate(ctx *simulator.Context, req *types.RelocateVM_Task) *methodFault {
	before := *r.Runtime.Host
	if target := req.Spec.Host; target != nil && *target != before {
		d := r.v.requirementsOf(&r.VirtualMachine.VirtualMachine)
		h := r.v.placement.hostByRef(*target)
		if h == nil {
			return &methodFault{&types.ManagedObjectNotFound{Obj: *target}, fmt.Sprintf("there is no host %s", target.Value)}
		}
		d.host = h.name
		if r.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn {
			placed, refused := r.v.placement.admit(d, false)
			if refused != nil {
				return refused
			}
			if placed.host != h.name {
				return &methodFault{new(types.NoCompatibleHost), fmt.Sprintf("host %s cannot take VM %q", h.name, r.Name)}
			}
		} else if _, refused := r.v.placement.configure(d); refused != nil {
			return refused
		}
		r.v.moveVM(ctx, r.VirtualMachine, h.name)
	}
	spec := req.Spec
	spec.Host = nil
	res := r.VirtualMachine.RelocateVMTask(ctx, &types.RelocateVM_Task{This: r.Self, Spec: spec, Priority: req.Priority})
	_, refused := awaitSimulatorTask(ctx, res.(*methods.RelocateVM_TaskBody).Res.Returnval)
	r.v.recordPolicy(r.Self, spec.Profile)
	return refused
}

func (r *validatingVM) checkRelocate(target *types.ManagedObjectReference) *methodFault {
	if target == nil || r.Runtime.Host == nil || *target == *r.Runtime.Host {
		return nil
	}
	d := r.v.requirementsOf(&r.VirtualMachine.VirtualMachine)
	running := r.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn
	switch {
	case len(d.fixed) > 0 || running && len(d.dynamic) > 0:
		return r.checkMovable("migrate")
	case running && len(d.vgpus) > 0:
		return &methodFault{&types.DeviceNotSupported{Device: "vGPU"},
			fmt.Sprintf("Cannot migrate running VM %q with a vGPU: vgpu.hotmigrate.enabled is not set in vCenter", r.Name)}
	}
	return nil
}

// checkMovable is the fault for what passthrough devices forbid: their state cannot be saved or sent.
func (r *validatingVM) checkMovable(what string) *methodFault {
	d := r.v.requirementsOf(&r.VirtualMachine.VirtualMachine)
	if len(d.fixed)+len(d.dynamic) == 0 {
		return nil
	}
	device := "PCI device (DirectPath I/O)"
	return &methodFault{&types.DeviceNotSupported{Device: device},
		fmt.Sprintf("Cannot %s VM %q: it has a %s, whose state can be neither saved nor moved", what, r.Name, device)}
}

// MigrateVMTask is the older form of RelocateVMTask.
func (r *validatingVM) MigrateVMTask(ctx *simulator.Context, req *types.MigrateVM_Task) soap.HasFault {
	r.restoreSession()
	spec := types.VirtualMachineRelocateSpec{Host: req.Host, Pool: req.Pool}
	res := r.RelocateVMTask(ctx, &types.RelocateVM_Task{This: r.Self, Spec: spec}).(*methods.RelocateVM_TaskBody)
	if res.Fault_ != nil {
		return &methods.MigrateVM_TaskBody{Fault_: res.Fault_}
	}
	return &methods.MigrateVM_TaskBody{Res: &types.MigrateVM_TaskResponse{Returnval: res.Res.Returnval}}
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
