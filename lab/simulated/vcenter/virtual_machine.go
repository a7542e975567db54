package main

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

type validatingVM struct {
	*simulator.VirtualMachine
	validator
}

// MarkAsTemplate and the two calls below change a VM without announcing it.
func (r *validatingVM) MarkAsTemplate(req *types.MarkAsTemplate) soap.HasFault {
	r.restoreSession()
	defer r.v.persister.markDirty(r.Self)
	return r.VirtualMachine.MarkAsTemplate(req)
}

// MarkAsVirtualMachine makes a VM of a template.
func (r *validatingVM) MarkAsVirtualMachine(req *types.MarkAsVirtualMachine) soap.HasFault {
	r.restoreSession()
	defer r.v.persister.markDirty(r.Self)
	return r.VirtualMachine.MarkAsVirtualMachine(req)
}

// SetCustomValue sets a custom attribute.
func (r *validatingVM) SetCustomValue(ctx *simulator.Context, req *types.SetCustomValue) soap.HasFault {
	r.restoreSession()
	defer r.v.persister.markDirty(r.Self)
	return r.VirtualMachine.SetCustomValue(ctx, req)
}

// UpgradeVMTask knows the versions of the site; the simulator knows those of the hosts that it was made with.
func (r *validatingVM) UpgradeVMTask(ctx *simulator.Context, req *types.UpgradeVM_Task) soap.HasFault {
	r.restoreSession()
	return &methods.UpgradeVM_TaskBody{Res: &types.UpgradeVM_TaskResponse{
		Returnval: runTask(ctx, r.VirtualMachine, "upgradeVm", func() (types.AnyType, *methodFault) {
			wanted, err := types.ParseHardwareVersion(req.Version)
			if req.Version == "" {
				wanted, err = newestHardware, nil
			}
			current, _ := types.ParseHardwareVersion(r.Config.Version)
			switch {
			case err != nil || wanted > newestHardware:
				return nil, &methodFault{new(types.NotSupported), fmt.Sprintf("hardware version %s is not supported; the newest is %s", req.Version, newestHardware)}
			case wanted <= current:
				return nil, &methodFault{new(types.AlreadyUpgraded), fmt.Sprintf("VM %q has hardware version %s already", r.Name, current)}
			case r.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOff:
				fault := &types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOff, ExistingState: r.Runtime.PowerState}
				return nil, &methodFault{fault, describeFault(fault)}
			}
			ctx.Update(r.VirtualMachine, []types.PropertyChange{
				{Name: "config.version", Val: wanted.String()},
				{Name: "summary.config.hwVersion", Val: wanted.String()},
			})
			return nil, nil
		}),
	}}
}

// newestHardware is the virtual hardware of ESX 9.0.
const newestHardware = types.VMX22

func (v *vcenter) virtualMachines() []*simulator.VirtualMachine {
	var vms []*simulator.VirtualMachine
	for _, entity := range v.registry.All("VirtualMachine") {
		vms = append(vms, entity.(*simulator.VirtualMachine))
	}
	return vms
}

var powerStates = map[types.VirtualMachinePowerState]string{
	types.VirtualMachinePowerStatePoweredOn: "POWERED_ON", types.VirtualMachinePowerStatePoweredOff: "POWERED_OFF",
	types.VirtualMachinePowerStateSuspended: "SUSPENDED",
}

func (v *vcenter) listVMs(r *http.Request) (any, *apiError) {
	vms := []any{}
	names := r.URL.Query()["names"]
	for _, vm := range v.virtualMachines() {
		v.context().WithLock(vm, func() {
			if vm.Config.Template || len(names) > 0 && !slices.Contains(names, vm.Name) {
				return
			}
			vms = append(vms, map[string]any{
				"vm": vm.Self.Value, "name": vm.Name, "power_state": powerStates[vm.Runtime.PowerState],
				"cpu_count": vm.Config.Hardware.NumCPU, "memory_size_MiB": vm.Config.Hardware.MemoryMB,
			})
		})
	}
	return vms, nil
}

// completeVM fills in what the simulator leaves empty and a vCenter never does: clients like pyvmomi cannot read it otherwise.
func completeVM(vm *mo.VirtualMachine) {
	if vm.EnvironmentBrowser.Value != "" {
		vm.EnvironmentBrowser.Value = browserPrefix + vm.Self.Value
	}
	for _, runtime := range []*types.VirtualMachineRuntimeInfo{&vm.Runtime, &vm.Summary.Runtime} {
		if runtime.FaultToleranceState == "" {
			runtime.FaultToleranceState = types.VirtualMachineFaultToleranceStateNotConfigured
		}
		if runtime.RecordReplayState == "" {
			runtime.RecordReplayState = types.VirtualMachineRecordReplayStateInactive
		}
	}
	if vm.Config != nil && vm.Config.SwapPlacement == "" {
		vm.Config.SwapPlacement = string(types.VirtualMachineConfigInfoSwapPlacementTypeInherit)
	}
}

// releaseVM releases everything of a VM that is gone.
func (v *vcenter) releaseVM(vm types.ManagedObjectReference) {
	v.placement.release(vm.Value)
	v.addresses.release(v.records.get(vm.Value).IP)
	v.records.drop(vm.Value)
	v.owned.drop(vm.Value)
	v.vapi.detach(vm)
}
