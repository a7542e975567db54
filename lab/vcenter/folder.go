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
