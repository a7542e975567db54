package main

import (
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

type validatingDatacenter struct {
	*simulator.Datacenter
	validator
}

// PowerOnMultiVMTask starts each VM by the rules.
func (d *validatingDatacenter) PowerOnMultiVMTask(ctx *simulator.Context, req *types.PowerOnMultiVM_Task) soap.HasFault {
	d.restoreSession()
	return &methods.PowerOnMultiVM_TaskBody{Res: &types.PowerOnMultiVM_TaskResponse{
		Returnval: runTask(ctx, d.Datacenter, "powerOnMultiVM", func() (types.AnyType, *methodFault) {
			result := types.ClusterPowerOnVmResult{Attempted: []types.ClusterAttemptedVmInfo{}}
			for _, ref := range req.Vm {
				vm, ok := d.v.registry.Get(ref).(*simulator.VirtualMachine)
				if !ok {
					return nil, &methodFault{&types.ManagedObjectNotFound{Obj: ref}, fmt.Sprintf("there is no VM %s", ref.Value)}
				}
				own := &simulator.Context{Context: ctx.Context, Session: ctx.Session, Map: ctx.Map}
				own.WithLock(vm, func() {
					validating := &validatingVM{vm, d.v.directValidator()}
					task := validating.PowerOnVMTask(own, &types.PowerOnVM_Task{This: ref}).(*methods.PowerOnVM_TaskBody).Res.Returnval
					result.Attempted = append(result.Attempted, types.ClusterAttemptedVmInfo{Vm: ref, Task: &task})
				})
			}
			return result, nil
		}),
	}}
}
