package main

import (
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// PowerOnVMTask finds the host that can run the VM, as DRS does, and starts it there.
func (r *validatingVM) PowerOnVMTask(ctx *simulator.Context, req *types.PowerOnVM_Task) soap.HasFault {
	r.restoreSession()
	return &methods.PowerOnVM_TaskBody{Res: &types.PowerOnVM_TaskResponse{
		Returnval: runTask(ctx, r.VirtualMachine, "powerOn", func() (types.AnyType, *methodFault) { return nil, r.powerOn(ctx, req) }),
	}}
}

func (r *validatingVM) powerOn(ctx *simulator.Context, req *types.PowerOnVM_Task) *methodFault {
	if r.Config.Template {
		return &methodFault{new(types.InvalidState), fmt.Sprintf("%q is a template and cannot be powered on", r.Name)}
	}
	if r.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn {
		fault := &types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: r.Runtime.PowerState}
		return &methodFault{fault, describeFault(fault)}
	}
	d := r.v.requirementsOf(&r.VirtualMachine.VirtualMachine)
	placed, refused := r.v.placement.admit(d, false)
	if refused != nil {
		return refused
	}
	if placed.host != d.host {
		r.v.moveVM(ctx, r.VirtualMachine, placed.host)
	}
	res := r.VirtualMachine.PowerOnVMTask(ctx, req)
	var failed *methodFault
	if fault := res.Fault(); fault != nil {
		failed = &methodFault{fault.Detail.Fault.(types.BaseMethodFault), fault.String}
	} else {
		_, failed = awaitSimulatorTask(ctx, res.(*methods.PowerOnVM_TaskBody).Res.Returnval)
	}
	if failed != nil {
		r.v.placement.releaseRuntime(d.vm)
		return failed
	}
	r.v.assign(ctx, r.VirtualMachine, placed)
	if delay := r.v.options.guestDelay; delay > 0 {
		r.v.scheduleGuestReport(r.VirtualMachine, delay)
	} else {
		r.v.reportGuestRunning(ctx, r.VirtualMachine)
	}
	return nil
}

// PowerOffVMTask releases vGPUs, dynamic devices and memory.
func (r *validatingVM) PowerOffVMTask(ctx *simulator.Context, req *types.PowerOffVM_Task) soap.HasFault {
	r.restoreSession()
	return &methods.PowerOffVM_TaskBody{Res: &types.PowerOffVM_TaskResponse{
		Returnval: runTask(ctx, r.VirtualMachine, "powerOff", func() (types.AnyType, *methodFault) { return nil, r.powerOff(ctx) }),
	}}
}

func (r *validatingVM) powerOff(ctx *simulator.Context) *methodFault {
	res := r.VirtualMachine.PowerOffVMTask(ctx, &types.PowerOffVM_Task{This: r.Self})
	if _, refused := awaitSimulatorTask(ctx, res.(*methods.PowerOffVM_TaskBody).Res.Returnval); refused != nil {
		return refused
	}
	r.v.afterPowerOff(ctx, r.VirtualMachine)
	return nil
}

// afterPowerOff releases what only a running VM holds.
func (v *vcenter) afterPowerOff(ctx *simulator.Context, vm *simulator.VirtualMachine) {
	held := v.placement.allocationOf(vm.Self.Value)
	v.placement.releaseRuntime(vm.Self.Value)
	v.records.change(vm.Self.Value, func(r *vmRecord) { r.VGPUs = nil })
	if len(held.dynamic) > 0 {
		v.setAssigned(ctx, vm, nil)
	}
	if len(held.vgpus) > 0 {
		v.updateGraphicsInfo(ctx, held.host)
	}
	v.reportGuestStopped(ctx, vm)
}

// ShutdownGuest lets the simulated guest end at once.
func (r *validatingVM) ShutdownGuest(ctx *simulator.Context, _ *types.ShutdownGuest) soap.HasFault {
	r.restoreSession()
	if state := r.Runtime.PowerState; state != types.VirtualMachinePowerStatePoweredOn {
		fault := &types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: state}
		return &methods.ShutdownGuestBody{Fault_: simulator.Fault(describeFault(fault), fault)}
	}
	runTask(ctx, r.VirtualMachine, "shutdownGuest", func() (types.AnyType, *methodFault) { return nil, r.powerOff(ctx) })
	return &methods.ShutdownGuestBody{Res: new(types.ShutdownGuestResponse)}
}

// ResetVMTask keeps the VM where it is, with what it holds.
func (r *validatingVM) ResetVMTask(ctx *simulator.Context, _ *types.ResetVM_Task) soap.HasFault {
	r.restoreSession()
	return &methods.ResetVM_TaskBody{Res: &types.ResetVM_TaskResponse{
		Returnval: runTask(ctx, r.VirtualMachine, "reset", func() (types.AnyType, *methodFault) {
			if refused := r.powerOff(ctx); refused != nil {
				return nil, refused
			}
			return nil, r.powerOn(ctx, &types.PowerOnVM_Task{This: r.Self})
		}),
	}}
}

// SuspendVMTask is refused for passthrough devices.
func (r *validatingVM) SuspendVMTask(ctx *simulator.Context, req *types.SuspendVM_Task) soap.HasFault {
	r.restoreSession()
	if refused := r.checkMovable("suspend"); refused != nil {
		return &methods.SuspendVM_TaskBody{Fault_: simulator.Fault(refused.message, refused.fault)}
	}
	return r.VirtualMachine.SuspendVMTask(ctx, req)
}
