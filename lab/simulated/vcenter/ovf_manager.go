package main

import (
	"strings"

	"github.com/vmware/govmomi/ovf"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

type validatingOVF struct {
	*simulator.OvfManager
	validator
}

// CreateImportSpec adds the firmware of the descriptor, which the simulator does not read.
func (m *validatingOVF) CreateImportSpec(ctx *simulator.Context, req *types.CreateImportSpec) soap.HasFault {
	m.restoreSession()
	res := m.OvfManager.CreateImportSpec(ctx, req)
	body, ok := res.(*methods.CreateImportSpecBody)
	if !ok || body.Res == nil {
		return res
	}
	spec, ok := body.Res.Returnval.ImportSpec.(*types.VirtualMachineImportSpec)
	if !ok {
		return res
	}
	// The simulator repeats OVF properties, secrets among them, as extraConfig; vCenter does not.
	spec.ConfigSpec.ExtraConfig = nil
	env, err := ovf.Unmarshal(strings.NewReader(req.OvfDescriptor))
	if err != nil || env.VirtualSystem == nil {
		return res
	}
	for _, hardware := range env.VirtualSystem.VirtualHardware {
		for _, config := range hardware.Config {
			if config.Key == "firmware" {
				spec.ConfigSpec.Firmware = config.Value
			}
		}
	}
	return res
}
