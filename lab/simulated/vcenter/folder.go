package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

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
	req.Host = f.v.placement.hostFor(req.Host)
	fillIDs(&req.Config)
	devices, _ := changed(nil, req.Config.DeviceChange)
	d, refused := f.v.placement.claimNew(req.Config.Name, *req.Host, devices)
	if refused != nil {
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
