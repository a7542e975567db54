package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

type validatingFolder struct {
	*simulator.Folder
	validator
}

// CreateVMTask checks the new VM's PCI devices.
func (f *validatingFolder) CreateVMTask(ctx *simulator.Context, req *types.CreateVM_Task) soap.HasFault {
	f.restoreSession()
	return &methods.CreateVM_TaskBody{Res: &types.CreateVM_TaskResponse{
		Returnval: runTask(ctx, f.Folder, "createVm", func() (types.AnyType, *methodFault) { return f.create(ctx, req) }),
	}}
}

func (f *validatingFolder) create(ctx *simulator.Context, req *types.CreateVM_Task) (types.AnyType, *methodFault) {
	req.Host = f.v.placement.requestedOrLeastLoaded(req.Host)
	fillIDs(&req.Config)
	devices, _ := applyDeviceChanges(nil, req.Config.DeviceChange)
	d, refused := f.v.placement.allocateNew(req.Config.Name, *req.Host, devices)
	if refused != nil {
		return nil, refused
	}
	defer f.v.placement.release(d.vm)
	completeDevices(req.Config.DeviceChange)
	res := f.Folder.CreateVMTask(ctx, req)
	result, refused := awaitSimulatorTask(ctx, res.(*methods.CreateVM_TaskBody).Res.Returnval)
	if refused != nil {
		return nil, refused
	}
	ref := result.(types.ManagedObjectReference)
	f.v.placement.rename(d.vm, ref.Value)
	vm := f.v.registry.Get(ref).(*simulator.VirtualMachine)
	ctx.WithLock(vm, func() { (&validatingVM{vm, f.v.directValidator()}).lockConfigured() })
	f.v.recordPolicy(ref, req.Config.VmProfile)
	return result, nil
}
