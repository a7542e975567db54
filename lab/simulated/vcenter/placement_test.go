package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/types"
)

func TestADeviceBelongsToOneVM(t *testing.T) {
	l := newLab(t)
	first, second := l.mustClone("first", "esx-05.lab.test"), l.mustClone("second", "esx-05.lab.test")
	l.check(l.reconfigure(first, fixed("0000:0a:00.0")))
	l.check(l.powerOn(first))
	l.refused(l.reconfigure(second, fixed("0000:0a:00.0")), `assigned to VM "first"`, "0000:18:00.0")
	l.check(l.reconfigure(second, fixed("0000:18:00.0")))
	task, err := first.PowerOff(l.context())
	l.check(err)
	l.check(task.WaitEx(l.context()))
	task, err = first.Destroy(l.context())
	l.check(err)
	l.check(task.WaitEx(l.context()))
	third := l.mustClone("third", "esx-05.lab.test")
	l.check(l.reconfigure(third, fixed("0000:0a:00.0")))
}

func TestAFixedDeviceNeedsItsHost(t *testing.T) {
	l := newLab(t)
	l.refused(l.reconfigure(l.mustClone("elsewhere", "esx-01.lab.test"), fixed("0000:0a:00.0")), "esx-01.lab.test", "no such device")
	l.refused(l.reconfigure(l.mustClone("shared", "esx-01.lab.test"), fixed("0000:17:00.0")), "not enabled for passthrough")
	l.refused(l.reconfigure(l.mustClone("twice", "esx-05.lab.test"), fixed("0000:0a:00.0", "0000:0a:00.0")), "given twice")
}

func TestAVMMadeWithADeviceFollowsTheRulesOfOneThatGetsIt(t *testing.T) {
	l := newLab(t)
	l.check(l.reconfigure(l.mustClone("first", "esx-05.lab.test"), fixed("0000:0a:00.0")))
	create := func(address string) error {
		ctx, finder := l.context(), l.finder()
		folder, err := finder.Folder(ctx, "pai")
		l.check(err)
		pool, err := finder.ResourcePool(ctx, "pai-gpu/Resources/pai-workloads")
		l.check(err)
		spec := fixed(address)
		spec.Name, spec.GuestId, spec.NumCPUs, spec.MemoryMB = "made", "ubuntu64Guest", 2, 4096
		spec.Files = &types.VirtualMachineFileInfo{VmPathName: "[" + l.v.site.Datastore.Name + "]"}
		task, err := folder.CreateVM(ctx, spec, pool, object.NewHostSystem(l.client.Client, *l.host("esx-05.lab.test")))
		l.check(err)
		return task.WaitEx(ctx)
	}
	l.refused(create("0000:0a:00.0"), `assigned to VM "first"`)
	l.refused(create("0000:ff:00.0"), "no such device")
	l.check(create("0000:18:00.0"))
	l.refused(l.reconfigure(l.mustClone("late", "esx-05.lab.test"), fixed("0000:18:00.0")), `assigned to VM "made"`)
}

func TestAGPUVMStartsOnlyWithAllMemoryReserved(t *testing.T) {
	l := newLab(t)
	vm := l.mustClone("unreserved", "esx-05.lab.test")
	spec := fixed("0000:0a:00.0")
	spec.MemoryReservationLockedToMax = nil
	half := int64(16384)
	spec.MemoryAllocation = &types.ResourceAllocationInfo{Reservation: &half}
	l.check(l.reconfigure(vm, spec))
	l.refused(l.powerOn(vm), "Invalid memory setting", "32768")
	l.check(l.reconfigure(vm, reserved()))
	l.check(l.powerOn(vm))
	l.refused(l.reconfigure(vm, types.VirtualMachineConfigSpec{MemoryMB: 65536}), "fully reserved")
}

func TestAGPUVMStartsOnlyWithEFI(t *testing.T) {
	l := newLab(t)
	vm := l.mustClone("bios", "esx-05.lab.test")
	spec := fixed("0000:0a:00.0")
	spec.Firmware = "bios"
	l.check(l.reconfigure(vm, spec))
	l.refused(l.powerOn(vm), "EFI")
}

func TestAProfileThatNoHostHasIsRefused(t *testing.T) {
	l := newLab(t)
	l.refused(l.reconfigure(l.mustClone("wrong", ""), vgpu("grid_h100-80c")), "grid_h100-80c", "grid_a100-40c")
}

func TestAGPURunsOneProfileSizeAndNoMoreThanFit(t *testing.T) {
	l := newLab(t)
	l.class("a40", map[string]any{"vgpu_devices": []any{map[string]string{"profile_name": "grid_a100-40c"}}})
	l.class("a80", map[string]any{"vgpu_devices": []any{map[string]string{"profile_name": "grid_a100-80c"}}})
	l.namespace("team", "a40", "a80")
	l.want(http.StatusCreated, `"address":"0000:17:00.0"`)(l.vm("half", "a40"))
	// 16 GPUs: one runs 40 GiB vGPUs, so 15 are left for whole ones.
	for i := range 15 {
		l.want(http.StatusCreated)(l.vm("whole-"+string(rune('a'+i)), "a80"))
	}
	l.want(http.StatusConflict, "InsufficientCapacity", "esx-01.lab.test", "runs 40 GiB vGPUs", "esx-04.lab.test",
		"esx-05.lab.test: no GPU with vGPU profile grid_a100-80c")(l.vm("one-more", "a80"))
	l.want(http.StatusCreated, `"address":"0000:17:00.0"`)(l.vm("other-half", "a40"))
	l.want(http.StatusConflict, "80 of 80 GiB in use")(l.vm("third-half", "a40"))
	l.want(http.StatusNoContent)(l.operator(http.MethodDelete, "/vms/whole-a", nil))
	l.want(http.StatusCreated)(l.vm("third-half", "a40"))
}

func TestReservedMemoryIsNotOverCommitted(t *testing.T) {
	p := &placement{allocations: map[string]*allocation{}, hosts: []*host{{name: "small", memoryMib: 1000}}}
	d := &requirements{vm: "a", name: "a", memoryMib: 800, reservedMib: 800}
	if _, refused := p.admit(d, false); refused != nil {
		t.Fatal(refused)
	}
	_, refused := p.admit(&requirements{vm: "b", name: "b", memoryMib: 400, reservedMib: 400}, false)
	if refused == nil || !strings.Contains(refused.message, "200 MB of memory are unreserved") {
		t.Fatalf("got %v", refused)
	}
	p.releaseRuntime("a")
	if _, refused := p.admit(&requirements{vm: "b", name: "b", memoryMib: 400, reservedMib: 400}, false); refused != nil {
		t.Fatal(refused)
	}
}

func TestPassthroughVMsAreNeitherSnapshotNorMoved(t *testing.T) {
	l := newLab(t)
	ctx := l.context()
	vm := l.mustClone("fixed", "esx-05.lab.test")
	l.check(l.reconfigure(vm, fixed("0000:0a:00.0")))
	_, err := vm.CreateSnapshot(ctx, "s", "", false, false)
	l.refused(err, "Cannot take a snapshot", "DirectPath I/O")
	_, err = vm.Relocate(ctx, types.VirtualMachineRelocateSpec{Host: l.host("esx-06.lab.test")}, types.VirtualMachineMovePriorityDefaultPriority)
	l.refused(err, "Cannot migrate")
	plain := l.mustClone("plain", "esx-05.lab.test")
	task, err := plain.CreateSnapshot(ctx, "s", "", false, false)
	l.check(err)
	l.check(task.WaitEx(ctx))
	task, err = plain.Relocate(ctx, types.VirtualMachineRelocateSpec{Host: l.host("esx-06.lab.test")}, types.VirtualMachineMovePriorityDefaultPriority)
	l.check(err)
	l.check(task.WaitEx(ctx))
	if host := l.properties(plain).Runtime.Host; *host != *l.host("esx-06.lab.test") {
		t.Errorf("the VM is on %v", host)
	}
}

func TestDynamicDevicesAreAssignedAtPowerOn(t *testing.T) {
	l := newLab(t)
	l.class("l40s", map[string]any{"dynamic_direct_path_IO_devices": []any{map[string]int{"vendor_id": 0x10de, "device_id": 0x26b9}}})
	l.namespace("team", "l40s")
	for i := range 24 {
		l.want(http.StatusCreated, `"type":"directpath"`)(l.vm("vm-"+string(rune('a'+i)), "l40s"))
	}
	l.want(http.StatusConflict, "all 8 PCI devices 10de:26b9 are in use", "esx-01.lab.test: no PCI device 10de:26b9")(l.vm("too-many", "l40s"))
	assigned := map[string]bool{}
	for _, owned := range l.v.owned.all() {
		vm := object.NewVirtualMachine(l.client.Client, types.ManagedObjectReference{Type: "VirtualMachine", Value: owned.Moid})
		properties := l.properties(vm)
		for _, device := range properties.Config.Hardware.Device {
			if p, ok := device.(*types.VirtualPCIPassthrough); ok {
				assigned[properties.Runtime.Host.Value+p.Backing.(*types.VirtualPCIPassthroughDynamicBackingInfo).AssignedId] = true
			}
		}
	}
	if len(assigned) != 24 {
		t.Errorf("%d different devices are assigned; wanted 24", len(assigned))
	}
}
