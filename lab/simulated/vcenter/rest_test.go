package main

import (
	"testing"

	"github.com/vmware/govmomi/vapi/namespace"
	"github.com/vmware/govmomi/vapi/rest"
)

func TestTheOfficialBindingsUnderstandTheAnswers(t *testing.T) {
	l := newLab(t)
	ctx := l.context()
	client := rest.NewClient(l.client.Client)
	l.check(client.Login(ctx, l.v.service.Listen.User))
	manager := namespace.NewManager(client)
	supervisors, err := manager.GetSupervisorSummaries(ctx)
	l.check(err)
	if supervisors.Items[0].Info.Name != "pai-supervisor" || supervisors.Items[0].Info.ConfigStatus.String() != "RUNNING" {
		t.Errorf("%+v", supervisors)
	}
	l.check(manager.CreateVmClass(ctx, namespace.VirtualMachineClassCreateSpec{
		Id: "vgpu", CpuCount: 2, MemoryMb: 4096, MemoryReservation: 100,
		Devices: namespace.VirtualDevices{VgpuDevices: []namespace.VgpuDevice{{ProfileName: "grid_a100-8c"}}},
	}))
	class, err := manager.GetVmClass(ctx, "vgpu")
	l.check(err)
	if class.MemoryMb != 4096 || class.Devices.VgpuDevices[0].ProfileName != "grid_a100-8c" {
		t.Errorf("%+v", class)
	}
	l.check(manager.CreateNamespaceV2(ctx, namespace.NamespaceInstanceCreateSpecV2{
		Namespace: "team", Supervisor: supervisors.Items[0].Supervisor, VmServiceSpec: &namespace.VmServiceSpec{VmClasses: []string{"vgpu"}},
	}))
	info, err := manager.GetNamespaceV2(ctx, "team")
	l.check(err)
	if info.ConfigStatus != "CONFIGURING" || info.VmServiceSpec.VmClasses[0] != "vgpu" {
		t.Errorf("%+v", info)
	}
}
