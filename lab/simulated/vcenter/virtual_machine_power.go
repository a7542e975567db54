package main

import (
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

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
