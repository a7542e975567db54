package main

import (
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// CreateSnapshotTask is refused for passthrough devices, and with memory for vGPUs.
func (r *validatingVM) CreateSnapshotTask(ctx *simulator.Context, req *types.CreateSnapshot_Task) soap.HasFault {
	r.restoreSession()
	if refused := r.checkSnapshot(req.Memory); refused != nil {
		return &methods.CreateSnapshot_TaskBody{Fault_: simulator.Fault(refused.message, refused.fault)}
	}
	return r.VirtualMachine.CreateSnapshotTask(ctx, req)
}

// CreateSnapshotExTask is refused as CreateSnapshotTask is.
func (r *validatingVM) CreateSnapshotExTask(ctx *simulator.Context, req *types.CreateSnapshotEx_Task) soap.HasFault {
	r.restoreSession()
	if refused := r.checkSnapshot(req.Memory); refused != nil {
		return &methods.CreateSnapshotEx_TaskBody{Fault_: simulator.Fault(refused.message, refused.fault)}
	}
	return r.VirtualMachine.CreateSnapshotExTask(ctx, req)
}

func (r *validatingVM) checkSnapshot(memory bool) *methodFault {
	if refused := r.checkMovable("take a snapshot of"); refused != nil {
		return refused
	}
	running := r.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn
	if len(r.v.requirementsOf(&r.VirtualMachine.VirtualMachine).vgpus) > 0 && running {
		what := "a disk"
		if memory {
			what = "a memory"
		}
		return &methodFault{&types.DeviceNotSupported{Device: "vGPU"},
			fmt.Sprintf("Cannot take %s snapshot of running VM %q: its hosts' vGPU driver does not support that", what, r.Name)}
	}
	return nil
}
