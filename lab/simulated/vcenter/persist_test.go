package main

import (
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/pbm"
	pbmtypes "github.com/vmware/govmomi/pbm/types"
	"github.com/vmware/govmomi/vapi/rest"
	"github.com/vmware/govmomi/vapi/tags"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// again opens the stored lab as after a kill: the first process says no goodbye.
func (l *lab) again() *lab {
	l.Helper()
	return openLab(l.T, l.state)
}

func TestNothingAnsweredIsLostByAKill(t *testing.T) {
	l := newLab(t)
	l.class("a40", map[string]any{"vgpu_devices": []any{map[string]string{"profile_name": "grid_a100-40c"}}})
	l.class("l40s", map[string]any{"dynamic_direct_path_IO_devices": []any{map[string]int{"vendor_id": 0x10de, "device_id": 0x26b9}}})
	l.namespace("team", "a40", "l40s")
	l.want(http.StatusCreated)(l.vm("shared", "a40"))
	l.want(http.StatusCreated)(l.vm("whole", "l40s"))
	cloned := l.mustClone("cloned", "esx-06.lab.test")
	spec := fixed("0000:3b:00.0")
	spec.ExtraConfig = []types.BaseOptionValue{&types.OptionValue{Key: "pciPassthru.use64bitMMIO", Value: "TRUE"}}
	l.check(l.reconfigure(cloned, spec))
	l.check(l.powerOn(cloned))
	before := l.properties(cloned)
	_, vmsBefore := l.operator(http.MethodGet, "/vms", nil)
	_, capacityBefore := l.operator(http.MethodGet, "/capacity", nil)
	_, wcpBefore := l.operator(http.MethodGet, "/wcp", nil)

	next := l.again()
	_, vmsAfter := next.operator(http.MethodGet, "/vms", nil)
	_, capacityAfter := next.operator(http.MethodGet, "/capacity", nil)
	_, wcpAfter := next.operator(http.MethodGet, "/wcp", nil)
	for name, pair := range map[string][2]string{
		"VMs": {vmsBefore, vmsAfter}, "capacity": {capacityBefore, capacityAfter}, "Supervisor": {wcpBefore, wcpAfter},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s before: %s\nafter: %s", name, pair[0], pair[1])
		}
	}
	vm, err := next.finder().VirtualMachine(next.context(), "pai/cloned")
	next.check(err)
	after := next.properties(vm)
	for name, pair := range map[string][2]any{
		"moid":         {before.Self, after.Self},
		"uuid":         {before.Config.Uuid, after.Config.Uuid},
		"instanceUuid": {before.Config.InstanceUuid, after.Config.InstanceUuid},
		"devices":      {before.Config.Hardware.Device, after.Config.Hardware.Device},
		"extraConfig":  {before.Config.ExtraConfig, after.Config.ExtraConfig},
		"reservation":  {before.Config.MemoryAllocation, after.Config.MemoryAllocation},
		"vApp":         {before.Config.VAppConfig, after.Config.VAppConfig},
		"guest":        {before.Guest, after.Guest},
		"power":        {before.Runtime.PowerState, after.Runtime.PowerState},
		"host":         {before.Runtime.Host, after.Runtime.Host},
		"pool":         {before.ResourcePool, after.ResourcePool},
		"parent":       {before.Parent, after.Parent},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s before: %+v\nafter: %+v", name, pair[0], pair[1])
		}
	}
	other := next.mustClone("other", "esx-06.lab.test")
	next.refused(next.reconfigure(other, fixed("0000:3b:00.0")), `assigned to VM "cloned"`)
	if properties := next.properties(other); properties.Self.Value == before.Self.Value {
		t.Error("a new VM has the id of a restored one")
	}
	next.check(next.powerOn(other))
	if ip := next.properties(other).Guest.IpAddress; ip == before.Guest.IpAddress || ip == "" {
		t.Errorf("the new VM has address %q, the restored one %s", ip, before.Guest.IpAddress)
	}
	for _, vm := range []*object.VirtualMachine{vm, other} {
		task, err := vm.PowerOff(next.context())
		next.check(err)
		next.check(task.WaitEx(next.context()))
		task, err = vm.Destroy(next.context())
		next.check(err)
		next.check(task.WaitEx(next.context()))
	}
	if last := next.again(); len(last.v.virtualMachines()) != 3 {
		t.Errorf("%d VMs; wanted the template and two of the VM Service", len(last.v.virtualMachines()))
	}
}

func TestFoldersPoolsTagsAndPoliciesSurvive(t *testing.T) {
	l := newLab(t)
	ctx := l.context()
	parent, err := l.finder().Folder(ctx, "pai")
	l.check(err)
	folder, err := parent.CreateFolder(ctx, "inner")
	l.check(err)
	top, err := l.finder().ResourcePool(ctx, "pai-gpu/Resources/pai-workloads")
	l.check(err)
	config := types.DefaultResourceConfigSpec()
	pool, err := top.Create(ctx, "inner-pool", config)
	l.check(err)
	reservation := int64(4096)
	config.MemoryAllocation.Reservation = &reservation
	l.check(pool.UpdateConfig(ctx, "", &config))
	client := rest.NewClient(l.client.Client)
	l.check(client.Login(ctx, l.v.service.Listen.User))
	manager := tags.NewManager(client)
	category, err := manager.CreateCategory(ctx, &tags.Category{Name: "owner", Cardinality: "SINGLE", AssociableTypes: []string{"Folder"}})
	l.check(err)
	tag, err := manager.CreateTag(ctx, &tags.Tag{Name: "team-a", CategoryID: category})
	l.check(err)
	l.check(manager.AttachTag(ctx, tag, folder))
	policies, err := pbm.NewClient(ctx, l.client.Client)
	l.check(err)
	made, err := policies.CreateProfile(ctx, pbmtypes.PbmCapabilityProfileCreateSpec{
		Name: "bronze", Category: "REQUIREMENT", ResourceType: pbmtypes.PbmProfileResourceType{ResourceType: "STORAGE"},
		Constraints: &pbmtypes.PbmCapabilitySubProfileConstraints{SubProfiles: []pbmtypes.PbmCapabilitySubProfile{{Name: "tags"}}},
	})
	l.check(err)

	next := l.again()
	var restored mo.ResourcePool
	next.check(object.NewResourcePool(next.client.Client, pool.Reference()).Properties(next.context(), pool.Reference(), nil, &restored))
	if restored.Name != "inner-pool" || *restored.Config.MemoryAllocation.Reservation != reservation {
		t.Errorf("pool: %s %+v", restored.Name, restored.Config.MemoryAllocation)
	}
	if found, err := next.finder().Folder(next.context(), "/pai-dc/vm/pai/inner"); err != nil || found.Reference() != folder.Reference() {
		t.Errorf("folder: %v %v", found, err)
	}
	client = rest.NewClient(next.client.Client)
	next.check(client.Login(next.context(), next.v.service.Listen.User))
	attached, err := tags.NewManager(client).GetAttachedTags(next.context(), folder)
	if err != nil || len(attached) != 1 || attached[0].Name != "team-a" {
		t.Errorf("tags: %+v %v", attached, err)
	}
	if !slices.ContainsFunc(next.v.policies.list(), func(p storagePolicy) bool { return p.ID == made.UniqueId && p.Name == "bronze" }) {
		t.Errorf("policies: %+v", next.v.policies.list())
	}
}

func TestWhatAnInterruptedCreationLeftIsCleared(t *testing.T) {
	l := newLab(t)
	stray := filepath.Join(l.v.datastoreDirectory(), "half-made")
	l.check(os.Mkdir(stray, 0o700))
	l.check(os.WriteFile(filepath.Join(l.state, "objects", "VirtualMachine-vm-1.json.new"), []byte("{"), 0o600))
	next := l.again()
	if _, err := os.Stat(stray); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", stray, err)
	}
	if n := len(next.v.virtualMachines()); n != 1 {
		t.Errorf("%d VMs; wanted the template", n)
	}
}

func TestAnInterruptedFirstStartStartsAnew(t *testing.T) {
	l := newLab(t)
	l.check(os.Remove(filepath.Join(l.state, "inventory")))
	l.namespace("early")
	next := l.again()
	if next.v.wcp.namespace("early") != nil {
		t.Error("the namespace of the interrupted start is left")
	}
	if classes := next.v.wcp.classIDs(); len(classes) != 6 {
		t.Errorf("classes: %v", classes)
	}
}

func TestAnotherSiteIsRefused(t *testing.T) {
	l := newLab(t)
	site, err := loadInventory("inventory.yaml")
	l.check(err)
	site.Hosts[0].Names = site.Hosts[0].Names[:3]
	_, err = newVCenter(site, l.v.options)
	l.refused(err, "differs", "lab reset")
}
