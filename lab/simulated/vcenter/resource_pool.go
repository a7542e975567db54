package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

type ruledPool struct {
	*simulator.ResourcePool
	rule
}

// ImportVApp deploys OVF; the VM gets ids of its own and a host like any other.
func (p *ruledPool) ImportVApp(ctx *simulator.Context, req *types.ImportVApp) soap.HasFault {
	p.begin()
	if spec, ok := req.Spec.(*types.VirtualMachineImportSpec); ok {
		fillIDs(&spec.ConfigSpec)
	}
	req.Host = p.v.placement.hostFor(req.Host)
	return p.ResourcePool.ImportVApp(ctx, req)
}

// UpdateConfig changes a pool without announcing it.
func (p *ruledPool) UpdateConfig(ctx *simulator.Context, req *types.UpdateConfig) soap.HasFault {
	p.begin()
	defer p.v.keeper.touched(p.Self)
	return p.ResourcePool.UpdateConfig(ctx, req)
}
