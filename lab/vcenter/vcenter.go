package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/object"
	pbm "github.com/vmware/govmomi/pbm/simulator"
	"github.com/vmware/govmomi/simulator"
	vapi "github.com/vmware/govmomi/vapi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// vcenter is the simulation: govmomi's simulator with the lab's hosts, rules, memory and REST endpoints.
type vcenter struct {
	site       *inventory
	options    options
	background context.Context

	model    *simulator.Model
	service  *simulator.Service
	server   *simulator.Server // inner, without TLS: the simulated REST services call SOAP through it
	registry *simulator.Registry
	client   *vim25.Client // in process

	placement *placement
	keeper    *keeper
	records   *recordTable
	addresses *addressPool
	base      map[types.ManagedObjectReference]bool // objects made from the inventory file, the same at every start
	vapi      *vapiState
	policies  *policyManager
	wcp       *wcp
	faults    *faultFile
	former    string // fingerprint of the stored lab
	owned     *ownedVMs
	owners    keyedLocks
	folders   sync.Mutex

	datacenter, cluster, datastore, vmFolder, rootPool types.ManagedObjectReference
}

type options struct {
	state, username, password, token string
	faults, accounts                 string
	// guestDelay is how long a guest takes to report its address.
	guestDelay time.Duration
}

// newVCenter builds the site, restores what the state directory holds, or fills a new lab.
func newVCenter(site *inventory, opts options) (*vcenter, error) {
	v := &vcenter{
		site: site, options: opts, background: context.Background(),
		placement: &placement{claims: map[string]*claim{}},
		records:   &recordTable{records: map[string]vmRecord{}},
		addresses: newAddressPool(),
		owned:     &ownedVMs{byOwner: map[string]*ownedVM{}},
		base:      map[types.ManagedObjectReference]bool{},
		faults:    &faultFile{path: opts.faults},
	}
	state, err := openStore(opts.state)
	if err != nil {
		return nil, err
	}
	fresh, err := v.claimState(state)
	if err != nil {
		return nil, err
	}
	objects, err := openStore(filepath.Join(opts.state, "objects"))
	if err != nil {
		return nil, err
	}
	v.keeper = &keeper{v: v, store: objects, dirty: map[types.ManagedObjectReference]bool{}}
	if err := v.start(state); err != nil {
		v.close()
		return nil, err
	}
	if err := v.restore(fresh); err != nil {
		v.close()
		return nil, err
	}
	v.registry.Handler = v.intercept
	if fresh {
		err = errors.Join(v.seed(), v.flush(), state.write("inventory", []byte(v.fingerprint())))
	}
	if err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

// claimState tells whether the state directory is new. What an interrupted first start left is cleared away.
func (v *vcenter) claimState(state *store) (fresh bool, err error) {
	found, err := state.read("inventory")
	if err != nil {
		return false, err
	}
	if found == nil {
		for _, name := range []string{"objects", "datastore", "wcp.json", "vapi.json", "policies.xml"} {
			if err := os.RemoveAll(filepath.Join(state.directory, name)); err != nil {
				return false, err
			}
		}
		return true, nil
	}
	v.former = string(found)
	return false, nil
}

// fingerprint changes when the objects that stored VMs refer to would get other ids or GPUs.
func (v *vcenter) fingerprint() string {
	var lines []string
	for ref := range v.base {
		name := ""
		if entity, ok := v.registry.Get(ref).(mo.Entity); ok {
			name = entity.Entity().Name
		}
		lines = append(lines, ref.String()+" "+name)
	}
	for _, h := range v.placement.hosts {
		for _, g := range h.gpus {
			lines = append(lines, h.name+" "+g.address+" "+g.describe()+" "+g.model.Use)
		}
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:])
}

// start runs the simulator with the site's hosts, networks and datastore, in the same order at every start: object ids depend on it.
func (v *vcenter) start(state *store) error {
	v.model = simulator.VPX()
	v.model.Datacenter, v.model.Host, v.model.Cluster, v.model.Machine, v.model.Datastore = 0, 0, 0, 0, 0
	about := &v.model.ServiceContent.About
	about.Version, about.ApiVersion = v.site.Version, v.site.Version+".0"
	about.Build = "1" // numeric, since clients parse it
	about.FullName = fmt.Sprintf("VMware vCenter Server %s (simulated)", v.site.Version)
	about.LicenseProductVersion = v.site.Version
	id, err := v.instanceID(state)
	if err != nil {
		return err
	}
	about.InstanceUuid = id
	if err := v.model.Create(); err != nil {
		return err
	}
	v.service, v.registry = v.model.Service, v.model.Map()
	v.registry.SessionManager().ValidLogin = v.validLogin
	v.registry.AddHandler(v.keeper)
	v.registry.Put(newPropertyCollector(v.model.ServiceContent.PropertyCollector))
	v.registry.Put(newDirectory(v))
	v.service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword(v.options.username, v.options.password)}
	v.service.RegisterSDK(v.policySDK())
	v.server = v.service.NewServer()
	patterns, handler := vapi.New(v.service.Listen, v.registry)
	for _, pattern := range patterns {
		v.service.Handle(pattern, handler)
	}
	if v.client, err = vim25.NewClient(v.background, v.service); err != nil {
		return err
	}
	if err := v.build(); err != nil {
		return err
	}
	for _, entity := range v.registry.All("") {
		v.base[entity.Reference()] = true
	}
	if v.former != "" && v.former != v.fingerprint() {
		return fmt.Errorf("the simulated site differs from that of the lab stored in %s: "+
			"go back to the former inventory.yaml, or start a new lab with `./paif lab reset`", v.options.state)
	}
	v.vapi = &vapiState{handler: handler, store: state}
	v.policies.store = state
	v.wcp, err = openWCP(v, state)
	return err
}

func (v *vcenter) exists(ref types.ManagedObjectReference) bool { return v.registry.Get(ref) != nil }

func (v *vcenter) instanceID(state *store) (string, error) {
	found, err := state.read("instance")
	if err != nil || found != nil {
		return string(found), err
	}
	id := uuid.NewString()
	return id, state.write("instance", []byte(id))
}

func (v *vcenter) restore(fresh bool) error {
	if !fresh {
		if err := errors.Join(v.keeper.restore(), v.vapi.restore(v.exists), v.policies.restore()); err != nil {
			return err
		}
		if err := v.sweep(); err != nil {
			return err
		}
	}
	for _, h := range v.placement.hosts {
		v.showGraphics(v.context(), h.name)
	}
	clear(v.keeper.dirty)
	v.keeper.started = true
	return nil
}

// flush makes everything durable that has changed.
func (v *vcenter) flush() error {
	changed, err := v.vapi.flush()
	if changed {
		v.wcp.bump()
	}
	return errors.Join(err, v.keeper.flush(), v.policies.flush(), v.wcp.flush())
}

func (v *vcenter) close() {
	if v.server != nil {
		v.server.Close()
	}
	if v.model != nil {
		v.model.Remove()
	}
}

// context is for calls into simulator objects on nobody's behalf.
func (v *vcenter) context() *simulator.Context {
	return &simulator.Context{Context: v.background, Session: &simulator.Session{
		UserSession: types.UserSession{Key: "lab", UserName: v.options.username}, Registry: simulator.NewRegistry(), Map: v.registry,
	}, Map: v.registry}
}

// validLogin knows the one account. Sessions outlive a change of its password, as those of a real vCenter do.
func (v *vcenter) validLogin(login *types.Login) bool {
	password := v.options.password
	var found struct{ Vcenter map[string]string }
	if text, err := os.ReadFile(v.options.accounts); err == nil && json.Unmarshal(text, &found) == nil {
		if changed, ok := found.Vcenter[v.options.username]; ok {
			password = changed
		}
	}
	return login.UserName == v.options.username && login.Password == password
}

func (v *vcenter) datastoreDirectory() string {
	return filepath.Join(v.options.state, "datastore", v.site.Datastore.Name)
}

func (v *vcenter) virtualMachines() []*simulator.VirtualMachine {
	var vms []*simulator.VirtualMachine
	for _, entity := range v.registry.All("VirtualMachine") {
		vms = append(vms, entity.(*simulator.VirtualMachine))
	}
	return vms
}

// build makes datacenter, switch, cluster, hosts, datastore, folder and resource pool.
func (v *vcenter) build() error {
	ctx := v.background
	dc, err := object.NewRootFolder(v.client).CreateDatacenter(ctx, v.site.Datacenter)
	if err != nil {
		return err
	}
	folders, err := dc.Folders(ctx)
	if err != nil {
		return err
	}
	v.datacenter, v.vmFolder = dc.Reference(), folders.VmFolder.Reference()
	dvs, err := v.buildNetwork(folders)
	if err != nil {
		return err
	}
	enabled := types.NewBool(true)
	cluster, err := folders.HostFolder.CreateCluster(ctx, v.site.Cluster, types.ClusterConfigSpecEx{
		DasConfig: &types.ClusterDasConfigInfo{Enabled: enabled},
		DrsConfig: &types.ClusterDrsConfigInfo{Enabled: enabled, DefaultVmBehavior: types.DrsBehaviorFullyAutomated},
	})
	if err != nil {
		return err
	}
	v.cluster = cluster.Reference()
	if err := os.MkdirAll(v.datastoreDirectory(), 0o700); err != nil {
		return err
	}
	for _, group := range v.site.Hosts {
		for _, name := range group.Names {
			if err := v.buildHost(cluster, dvs, group, name); err != nil {
				return fmt.Errorf("host %s: %w", name, err)
			}
		}
	}
	v.summarize()
	pool, err := cluster.ResourcePool(ctx)
	if err != nil {
		return err
	}
	v.rootPool = pool.Reference()
	if _, err := pool.Create(ctx, v.site.ResourcePool, types.DefaultResourceConfigSpec()); err != nil {
		return err
	}
	_, err = folders.VmFolder.CreateFolder(ctx, v.site.Folder)
	return err
}

func (v *vcenter) buildNetwork(folders *object.DatacenterFolders) (*object.DistributedVirtualSwitch, error) {
	ctx := v.background
	spec := types.DVSCreateSpec{ConfigSpec: &types.VMwareDVSConfigSpec{DVSConfigSpec: types.DVSConfigSpec{Name: v.site.Network.Switch}}}
	task, err := folders.NetworkFolder.CreateDVS(ctx, spec)
	if err != nil {
		return nil, err
	}
	info, err := task.WaitForResult(ctx)
	if err != nil {
		return nil, err
	}
	dvs := object.NewDistributedVirtualSwitch(v.client, info.Result.(types.ManagedObjectReference))
	task, err = dvs.AddPortgroup(ctx, []types.DVPortgroupConfigSpec{{
		Name: v.site.Network.Portgroup, Type: string(types.DistributedVirtualPortgroupPortgroupTypeEarlyBinding), NumPorts: 512,
	}})
	if err != nil {
		return nil, err
	}
	return dvs, task.Wait(ctx)
}

func (v *vcenter) buildHost(cluster *object.ClusterComputeResource, dvs *object.DistributedVirtualSwitch, group hostGroup, name string) error {
	ctx := v.background
	task, err := cluster.AddHost(ctx, types.HostConnectSpec{HostName: name}, true, nil, nil)
	if err != nil {
		return err
	}
	info, err := task.WaitForResult(ctx)
	if err != nil {
		return err
	}
	ref := info.Result.(types.ManagedObjectReference)
	task, err = dvs.Reconfigure(ctx, &types.DVSConfigSpec{Host: []types.DistributedVirtualSwitchHostMemberConfigSpec{
		{Operation: string(types.ConfigSpecOperationAdd), Host: ref},
	}})
	if err != nil {
		return err
	}
	if err := task.Wait(ctx); err != nil {
		return err
	}
	system, err := object.NewHostSystem(v.client, ref).ConfigManager().DatastoreSystem(ctx)
	if err != nil {
		return err
	}
	datastore, err := system.CreateLocalDatastore(ctx, v.site.Datastore.Name, v.datastoreDirectory())
	if err != nil {
		return err
	}
	if v.datastore.Value == "" { // only the first host makes it, the others mount it
		v.datastore = datastore.Reference()
	}
	v.equip(v.registry.Get(ref).(*simulator.HostSystem), group)
	return nil
}

// equip gives a host its processors, memory and GPUs, in all places where clients look for them.
func (v *vcenter) equip(system *simulator.HostSystem, group hostGroup) {
	memory := group.MemoryGib << 30
	hardware := *system.Hardware
	hardware.MemorySize = memory
	hardware.CpuInfo.NumCpuCores, hardware.CpuInfo.NumCpuPackages, hardware.CpuInfo.NumCpuThreads = group.Cores, 2, 2*group.Cores
	hardware.PciDevice = nil
	system.Hardware = &hardware
	summary := system.Summary.Hardware
	summary.MemorySize, summary.NumCpuCores, summary.NumCpuPkgs, summary.NumCpuThreads = memory, group.Cores, 2, 2*group.Cores
	system.Config.SharedPassthruGpuTypes, system.Config.SharedGpuCapabilities = nil, nil
	system.Config.PciPassthruInfo = nil

	h := &host{name: system.Name, ref: system.Self, systemID: system.Hardware.SystemInfo.Uuid, memoryMib: group.MemoryGib << 10}
	v.placement.hosts = append(v.placement.hosts, h)
	if group.GPU == "" {
		return
	}
	model := v.site.GPUs[group.GPU]
	shared := model.Use == "sharedDirect"
	for _, address := range group.Addresses {
		h.gpus = append(h.gpus, &gpu{address: address, model: &model})
		device := pciDevice(address, &model)
		system.Hardware.PciDevice = append(system.Hardware.PciDevice, device)
		system.Config.PciPassthruInfo = append(system.Config.PciPassthruInfo, &types.HostPciPassthruInfo{
			Id: address, DependentDevice: address, PassthruCapable: true, PassthruEnabled: !shared, PassthruActive: !shared,
		})
		if shared {
			system.Config.GraphicsInfo = append(system.Config.GraphicsInfo, types.HostGraphicsInfo{
				DeviceName: model.Name, VendorName: model.VendorName, PciId: address,
				GraphicsType: string(types.HostGraphicsInfoGraphicsTypeSharedDirect), VgpuMode: "sameSize",
				MemorySizeInKB: model.FramebufferGib << 20,
			})
		}
	}
	kind := string(types.HostGraphicsConfigGraphicsTypeShared)
	if shared {
		kind = string(types.HostGraphicsConfigGraphicsTypeSharedDirect)
	}
	system.Config.GraphicsConfig = &types.HostGraphicsConfig{
		HostDefaultGraphicsType: kind, SharedPassthruAssignmentPolicy: string(types.HostGraphicsConfigSharedPassthruAssignmentPolicyConsolidation),
	}
	if shared {
		for _, profile := range sortedKeys(model.Profiles) {
			system.Config.SharedPassthruGpuTypes = append(system.Config.SharedPassthruGpuTypes, profile)
			system.Config.SharedGpuCapabilities = append(system.Config.SharedGpuCapabilities, types.HostSharedGpuCapabilities{
				Vgpu: profile, SuspendSupported: true, MigrateSupported: true,
			})
		}
	}
}

func pciDevice(address string, model *gpuModel) types.HostPciDevice {
	const display3D = 0x0302
	var domain, bus, slot, function int
	if _, err := fmt.Sscanf(address, "%x:%x:%x.%x", &domain, &bus, &slot, &function); err != nil {
		panic(fmt.Sprintf("PCI address %q: %v", address, err))
	}
	return types.HostPciDevice{
		Id: address, ClassId: display3D, Bus: byte(bus), Slot: byte(slot), Function: byte(function),
		VendorId: int16(pciID(model.Vendor)), DeviceId: int16(pciID(model.Device)),
		VendorName: model.VendorName, DeviceName: model.Name,
	}
}

// summarize puts the version into the hosts, their sums into the cluster and the datastore's size into the datastore.
func (v *vcenter) summarize() {
	cluster := v.registry.Get(v.cluster).(*simulator.ClusterComputeResource)
	sum := cluster.Summary.GetComputeResourceSummary()
	sum.NumCpuCores, sum.NumCpuThreads, sum.TotalMemory, sum.EffectiveMemory = 0, 0, 0, 0
	for _, ref := range cluster.Host {
		system := v.registry.Get(ref).(*simulator.HostSystem)
		hardware := system.Summary.Hardware
		sum.NumCpuCores += hardware.NumCpuCores
		sum.NumCpuThreads += hardware.NumCpuThreads
		sum.TotalMemory += hardware.MemorySize
		sum.EffectiveMemory += hardware.MemorySize >> 20
		// Only now: while hosts are added, the simulator looks up hardware versions, and knows those of ESXi 8 at most.
		product := system.Config.Product
		product.Version, product.ApiVersion = v.site.Version, v.site.Version+".0"
		product.FullName = fmt.Sprintf("VMware ESX %s (simulated)", v.site.Version)
		system.Config.Product = product
		system.Summary.Config.Product = &product
	}
	browser := v.registry.Get(*cluster.EnvironmentBrowser).(*simulator.EnvironmentBrowser)
	browser.QueryConfigOptionResponse.Returnval = configOption(newestHardware.String())
	datastore := v.registry.Get(v.datastore).(*simulator.Datastore)
	size := v.site.Datastore.CapacityGib << 30
	datastore.Summary.Capacity, datastore.Summary.FreeSpace = size, size
	datastore.Info.GetDatastoreInfo().FreeSpace = size
}

// showGraphics lists the VMs on each GPU in the host's graphics information.
func (v *vcenter) showGraphics(ctx *simulator.Context, name string) {
	h := v.placement.hostByName(name)
	if h == nil {
		return
	}
	system := v.registry.Get(h.ref).(*simulator.HostSystem)
	ctx.WithLock(system, func() {
		users := v.placement.users(name)
		infos := make([]types.HostGraphicsInfo, len(system.Config.GraphicsInfo))
		copy(infos, system.Config.GraphicsInfo)
		for i := range infos {
			infos[i].Vm = nil
			for _, vm := range users[infos[i].PciId] {
				infos[i].Vm = append(infos[i].Vm, types.ManagedObjectReference{Type: "VirtualMachine", Value: vm})
			}
		}
		ctx.Update(system, []types.PropertyChange{{Name: "config.graphicsInfo", Val: infos}})
	})
}

// serviceHandler is the simulator with SOAP, storage policies and the older REST services.
func (v *vcenter) serviceHandler() http.Handler { return v.service.ServeMux }

func (v *vcenter) policySDK() *simulator.Registry {
	sdk := pbm.New()
	v.policies = newPolicyManager(v)
	for _, object := range sdk.AllReference("PbmProfileProfileManager") {
		v.policies.ProfileManager = object.(*pbm.ProfileManager)
	}
	sdk.Put(v.policies)
	return sdk
}

// randomID has no meaning.
func randomID() string { return uuid.NewString() }

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

var _ mo.Reference = (*keeper)(nil)
