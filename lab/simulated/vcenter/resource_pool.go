package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

type validatingPool struct {
	*simulator.ResourcePool
	validator
}

// ImportVApp deploys OVF; the VM gets ids of its own and a host like any other.
func (p *validatingPool) ImportVApp(ctx *simulator.Context, req *types.ImportVApp) soap.HasFault {
	p.restoreSession()
	if spec, ok := req.Spec.(*types.VirtualMachineImportSpec); ok {
		fillIDs(&spec.ConfigSpec)
	}
	req.Host = p.v.placement.requestedOrLeastLoaded(req.Host)
	return p.ResourcePool.ImportVApp(ctx, req)
}

// UpdateConfig changes a pool without announcing it.
func (p *validatingPool) UpdateConfig(ctx *simulator.Context, req *types.UpdateConfig) soap.HasFault {
	p.restoreSession()
	defer p.v.persister.markDirty(p.Self)
	return p.ResourcePool.UpdateConfig(ctx, req)
}
