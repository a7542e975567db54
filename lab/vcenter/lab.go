package main

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// VMs that operators ask for carry what they were asked with in their extraConfig, so that it is stored with the VM itself.
const (
	keyOwner     = "simulation.owner"
	keyNamespace = "simulation.namespace"
	keyClass     = "simulation.class"
	keyRole      = "simulation.role"
	keyImage     = "simulation.image"

	serviceFolder = "Namespaces"
	longestPoll   = 60 * time.Second
)

var roles = map[string]int64{"dlvm": 200, "vks-node": 40, "pais-worker": 40} // with the size of the disk in GiB

// ownedVM is a VM of the VM Service, as /lab/v1/vms shows it.
type ownedVM struct {
	Owner     string `json:"owner"`
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	Class     string `json:"class"`
	Role      string `json:"role"`
	Image     string `json:"image,omitempty"`
	Moid      string `json:"moid"`
}

// vmAnswer is an ownedVM with what vCenter gave it.
type vmAnswer struct {
	ownedVM
	InstanceUUID string           `json:"instance_uuid"`
	BiosUUID     string           `json:"bios_uuid"`
	Host         string           `json:"host"`
	IP           string           `json:"ip"`
	PowerState   string           `json:"power_state"`
	Devices      []vmAnswerDevice `json:"devices"`
}

type vmAnswerDevice struct {
	Type     string `json:"type"` // vgpu or directpath
	Address  string `json:"address"`
	Profile  string `json:"profile,omitempty"`
	VendorID int64  `json:"vendor_id"`
	DeviceID int64  `json:"device_id"`
}

type ownedVMs struct {
	mu      sync.Mutex
	byOwner map[string]*ownedVM
}

func (o *ownedVMs) get(owner string) *ownedVM {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.byOwner[owner]
}

func (o *ownedVMs) put(vm *ownedVM) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.byOwner[vm.Owner] = vm
}

func (o *ownedVMs) drop(moid string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for owner, vm := range o.byOwner {
		if vm.Moid == moid {
			delete(o.byOwner, owner)
		}
	}
}

func (o *ownedVMs) all() []*ownedVM {
	o.mu.Lock()
	defer o.mu.Unlock()
	vms := make([]*ownedVM, 0, len(o.byOwner))
	for _, owner := range sortedKeys(o.byOwner) {
		vms = append(vms, o.byOwner[owner])
	}
	return vms
}

// adopt takes a VM into the table by its extraConfig.
func (v *vcenter) adopt(vm *simulator.VirtualMachine) {
	if owner := extra(vm, keyOwner); owner != "" {
		v.owned.put(&ownedVM{
			Owner: owner, Name: vm.Name, Namespace: extra(vm, keyNamespace), Class: extra(vm, keyClass),
			Role: extra(vm, keyRole), Image: extra(vm, keyImage), Moid: vm.Self.Value,
		})
	}
}

// keyedLocks serialize calls about one thing.
type keyedLocks struct {
	mu    sync.Mutex
	locks map[string]*keyedLock
}

type keyedLock struct {
	sync.Mutex
	users int
}

func (k *keyedLocks) lock(key string) func() {
	k.mu.Lock()
	if k.locks == nil {
		k.locks = map[string]*keyedLock{}
	}
	l := k.locks[key]
	if l == nil {
		l = &keyedLock{}
		k.locks[key] = l
	}
	l.users++
	k.mu.Unlock()
	l.Lock()
	return func() {
		l.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(k.locks, key)
		}
	}
}

// labHandler serves /lab/v1 for the lab's operators.
func (v *vcenter) labHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /lab/v1/wcp", v.pollWCP)
	mux.HandleFunc("POST /lab/v1/wcp/namespaces/{ns}", v.reportNamespace)
	mux.HandleFunc("GET /lab/v1/capacity", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"hosts": v.placement.report()})
	})
	mux.HandleFunc("GET /lab/v1/vms", v.listOwned)
	mux.HandleFunc("POST /lab/v1/vms", v.createOwned)
	mux.HandleFunc("DELETE /lab/v1/vms/{owner...}", v.deleteOwned)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("X-Lab-Token")), []byte(v.options.token)) != 1 {
			labError(w, http.StatusUnauthorized, "Unauthenticated", "The header X-Lab-Token is missing or wrong.")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func labError(w http.ResponseWriter, status int, reason, message string) {
	answer(w, status, map[string]string{"reason": reason, "message": message})
}

// pollWCP answers when the state is newer than `since`, or after `wait` seconds.
func (v *vcenter) pollWCP(w http.ResponseWriter, r *http.Request) {
	since, _ := strconv.ParseInt(r.URL.Query().Get("since"), 10, 64)
	seconds, _ := strconv.ParseFloat(r.URL.Query().Get("wait"), 64)
	deadline := time.After(min(longestPoll, time.Duration(seconds*float64(time.Second))))
	for {
		v.wcp.mu.Lock()
		revision, changed := v.wcp.state.Revision, v.wcp.changed
		v.wcp.mu.Unlock()
		// A revision from the future is one of a lab that was reset.
		if revision != since {
			break
		}
		select {
		case <-changed:
			continue
		case <-r.Context().Done():
			return
		case <-deadline:
		}
		break
	}
	state, err := v.wanted()
	if err == nil {
		err = v.flush()
	}
	if err != nil {
		labError(w, http.StatusInternalServerError, "InternalError", err.Error())
		return
	}
	answer(w, http.StatusOK, state)
}

// wanted is the state that the operators bring about.
func (v *vcenter) wanted() (map[string]any, error) {
	v.wcp.mu.Lock()
	revision := v.wcp.state.Revision
	v.wcp.mu.Unlock()
	namespaces := []any{}
	for _, ns := range v.wcp.namespaces() {
		libraries := slices.Clone(ns.VMServiceSpec.ContentLibraries)
		for _, l := range ns.ContentLibraries {
			if !slices.Contains(libraries, l.ContentLibrary) {
				libraries = append(libraries, l.ContentLibrary)
			}
		}
		namespaces = append(namespaces, map[string]any{
			"name": ns.Name, "supervisor": ns.Supervisor, "description": ns.Description, "config_status": ns.ConfigStatus,
			"access_list": ns.AccessList, "storage_specs": ns.StorageSpecs, "vm_classes": ns.VMServiceSpec.VMClasses,
			"content_libraries": libraries, "revision": ns.Revision,
		})
	}
	classes := []any{}
	for _, id := range v.wcp.classIDs() {
		class, _ := v.wcp.class(id)
		if class == nil {
			continue
		}
		devices := []map[string]any{}
		_, directPath := class.gpus()
		for _, d := range directPath {
			devices = append(devices, map[string]any{"vendor_id": d.VendorID, "device_id": d.DeviceID, "custom_label": d.CustomLabel})
		}
		classes = append(classes, map[string]any{
			"id": id, "description": class.Description, "cpu_count": class.CPUCount, "memory_mib": class.MemoryMiB,
			"cpu_reservation": class.CPUReservation, "memory_reservation": class.MemoryReservation,
			"vgpu_profiles": class.profiles(), "direct_path_devices": devices,
		})
	}
	found, err := v.vapi.libraries()
	if err != nil {
		return nil, err
	}
	libraries := []any{}
	for _, l := range found {
		items := []any{}
		for _, id := range sortedKeys(l.Item) {
			item := l.Item[id]
			items = append(items, map[string]any{
				"id": id, "name": item.Name, "type": item.Type, "description": item.Description,
				"ovf_properties": v.itemProperties(l.ID, id),
			})
		}
		libraries = append(libraries, map[string]any{"id": l.ID, "name": l.Name, "items": items})
	}
	policies := []any{}
	for _, p := range v.policies.list() {
		policies = append(policies, map[string]string{"id": p.ID, "name": p.Name, "class_name": namingOf(p.Name)})
	}
	return map[string]any{
		"revision": revision,
		"supervisor": map[string]any{
			"id": v.site.Supervisor.ID, "name": v.site.Supervisor.Name, "cluster": v.cluster.Value, "zone": v.cluster.Value,
		},
		"namespaces": namespaces, "vm_classes": classes, "libraries": libraries, "storage_policies": policies,
	}, nil
}

func (v *vcenter) reportNamespace(w http.ResponseWriter, r *http.Request) {
	var body struct {
		ConfigStatus string `json:"config_status"`
		Revision     int64  `json:"revision"`
		Gone         bool   `json:"gone"`
	}
	name := r.PathValue("ns")
	problem := decode(r, &body)
	switch {
	case problem != nil:
	case body.Gone:
		if err := v.removeNamespaceVMs(name); err != nil {
			labError(w, http.StatusInternalServerError, "InternalError", err.Error())
			return
		}
		problem = v.wcp.gone(name)
	default:
		problem = v.wcp.report(name, body.ConfigStatus, body.Revision)
	}
	if problem != nil {
		labError(w, problem.status, problem.kind, problem.message)
		return
	}
	answer(w, http.StatusOK, map[string]string{})
}

// ---- VMs

func (v *vcenter) listOwned(w http.ResponseWriter, _ *http.Request) {
	vms := []*vmAnswer{}
	for _, owned := range v.owned.all() {
		if vm := v.describe(owned); vm != nil {
			vms = append(vms, vm)
		}
	}
	answer(w, http.StatusOK, map[string]any{"vms": vms})
}

// describe is nil when the VM is gone.
func (v *vcenter) describe(owned *ownedVM) *vmAnswer {
	vm, ok := v.registry.Get(types.ManagedObjectReference{Type: "VirtualMachine", Value: owned.Moid}).(*simulator.VirtualMachine)
	if !ok {
		return nil
	}
	held := v.placement.held(owned.Moid)
	result := &vmAnswer{ownedVM: *owned, Host: held.host, IP: v.records.get(owned.Moid).IP, Devices: []vmAnswerDevice{}}
	v.context().WithLock(vm, func() {
		result.InstanceUUID, result.BiosUUID = vm.Config.InstanceUuid, vm.Config.Uuid
		result.PowerState = string(vm.Runtime.PowerState)
	})
	h := v.placement.hostByName(held.host)
	if h == nil {
		return result
	}
	add := func(kind, address, profile string) {
		model := h.gpu(address).model
		result.Devices = append(result.Devices, vmAnswerDevice{kind, address, profile, pciID(model.Vendor), pciID(model.Device)})
	}
	for _, use := range held.vgpus {
		add("vgpu", use.GPU, use.Profile)
	}
	for _, address := range held.dynamic {
		add("directpath", address, "")
	}
	slices.SortFunc(result.Devices, func(a, b vmAnswerDevice) int { return strings.Compare(a.Address, b.Address) })
	return result
}

// vmRequest is an operator's wish for a VM.
type vmRequest struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	Class     string `json:"class"`
	Owner     string `json:"owner"`
	Image     string `json:"image"`
	Role      string `json:"role"`
}

func (v *vcenter) createOwned(w http.ResponseWriter, r *http.Request) {
	var req vmRequest
	if problem := decode(r, &req); problem != nil {
		labError(w, problem.status, "Invalid", problem.message)
		return
	}
	if _, ok := roles[req.Role]; !ok || req.Name == "" || req.Owner == "" {
		labError(w, http.StatusBadRequest, "Invalid", fmt.Sprintf("name and owner must be set, and role must be one of %s", list(sortedKeys(roles))))
		return
	}
	defer v.owners.lock(req.Owner)()
	if owned := v.owned.get(req.Owner); owned == nil {
		if status, reason, err := v.make(&req); err != nil {
			labError(w, status, reason, err.Error())
			return
		}
	}
	owned := v.owned.get(req.Owner)
	if owned == nil {
		labError(w, http.StatusConflict, "Gone", fmt.Sprintf("VM %q was removed while it was being made", req.Name))
		return
	}
	// A VM that was made but not started before the process was killed is started now.
	if err := v.ensureStarted(owned.Moid); err != nil {
		v.destroy(owned.Moid)
		labError(w, http.StatusConflict, "InsufficientCapacity", err.Error())
		return
	}
	vm := v.describe(owned)
	if vm == nil {
		labError(w, http.StatusConflict, "Gone", fmt.Sprintf("VM %q was removed while it was being made", req.Name))
		return
	}
	if err := v.flush(); err != nil {
		labError(w, http.StatusInternalServerError, "InternalError", err.Error())
		return
	}
	answer(w, http.StatusCreated, vm)
}

// make creates the VM, powered off, on a host that can run it.
func (v *vcenter) make(req *vmRequest) (status int, reason string, err error) {
	class, namespaces := v.wcp.class(req.Class)
	switch ns := v.wcp.namespace(req.Namespace); {
	case ns == nil:
		return http.StatusNotFound, "NamespaceNotFound", fmt.Errorf("there is no namespace %q", req.Namespace)
	case class == nil:
		return http.StatusConflict, "ClassNotFound", fmt.Errorf("there is no VM class %q", req.Class)
	case !slices.Contains(namespaces, req.Namespace):
		return http.StatusConflict, "ClassNotInNamespace", fmt.Errorf("VM class %q is not assigned to namespace %q; its classes are %s",
			req.Class, req.Namespace, list(ns.VMServiceSpec.VMClasses))
	}
	if v.faults.noCapacity(req.Class) {
		return http.StatusConflict, "InsufficientCapacity", fmt.Errorf("no host has room for VM class %q (fault no-capacity is on)", req.Class)
	}
	spec := v.serviceVM(req, class)
	d := &demand{
		vm: "dry", name: req.Name, memoryMib: spec.MemoryMB, reservedMib: *spec.MemoryAllocation.Reservation, efi: true,
	}
	devices, _ := changed(nil, spec.DeviceChange)
	d.setDevices(devices)
	placed, refusal := v.placement.admit(d, true)
	if refusal != nil {
		return http.StatusConflict, "InsufficientCapacity", refusal
	}
	folder, pool, err := v.namespaceHome(req.Namespace)
	if err != nil {
		return http.StatusInternalServerError, "InternalError", err
	}
	host := object.NewHostSystem(v.client, v.placement.hostByName(placed.host).ref)
	task, err := folder.CreateVM(v.background, *spec, pool, host)
	if err != nil {
		return http.StatusInternalServerError, "InternalError", err
	}
	info, err := task.WaitForResult(v.background)
	if err != nil {
		return http.StatusConflict, "CreateFailed", err
	}
	ref := info.Result.(types.ManagedObjectReference)
	v.owned.put(&ownedVM{
		Owner: req.Owner, Name: req.Name, Namespace: req.Namespace, Class: req.Class, Role: req.Role, Image: req.Image, Moid: ref.Value,
	})
	return 0, "", nil
}

// serviceVM is the VM that the VM Service makes of a class.
func (v *vcenter) serviceVM(req *vmRequest, class *vmClass) *types.VirtualMachineConfigSpec {
	reserved := percent(class.MemoryMiB, class.MemoryReservation)
	locked := class.hasDevices()
	if locked {
		reserved = class.MemoryMiB
	}
	allocation := types.ResourceAllocationInfo{Reservation: &reserved, Limit: types.NewInt64(-1), Shares: &types.SharesInfo{Level: types.SharesLevelNormal}}
	spec := &types.VirtualMachineConfigSpec{
		Name: req.Name, GuestId: string(types.VirtualMachineGuestOsIdentifierUbuntu64Guest), Version: "vmx-21",
		NumCPUs: int32(class.CPUCount), NumCoresPerSocket: types.NewInt32(1), MemoryMB: class.MemoryMiB,
		MemoryAllocation: &allocation, MemoryReservationLockedToMax: &locked,
		Firmware:  string(types.GuestOsDescriptorFirmwareTypeEfi),
		Files:     &types.VirtualMachineFileInfo{VmPathName: fmt.Sprintf("[%s]", v.site.Datastore.Name)},
		ManagedBy: &types.ManagedByInfo{ExtensionKey: "com.vmware.vcenter.wcp", Type: "VirtualMachine"},
	}
	for key, value := range map[string]string{
		keyOwner: req.Owner, keyNamespace: req.Namespace, keyClass: req.Class, keyRole: req.Role, keyImage: req.Image,
	} {
		if value != "" {
			spec.ExtraConfig = append(spec.ExtraConfig, &types.OptionValue{Key: key, Value: value})
		}
	}
	spec.DeviceChange = v.commonDevices(roles[req.Role])
	key := int32(-200)
	add := func(backing types.BaseVirtualDeviceBackingInfo) {
		spec.DeviceChange = append(spec.DeviceChange, &types.VirtualDeviceConfigSpec{
			Operation: types.VirtualDeviceConfigSpecOperationAdd,
			Device:    &types.VirtualPCIPassthrough{VirtualDevice: types.VirtualDevice{Key: key, Backing: backing}},
		})
		key--
	}
	vgpus, directPath := class.gpus()
	for _, device := range vgpus {
		add(&types.VirtualPCIPassthroughVmiopBackingInfo{Vgpu: device.ProfileName})
	}
	for _, device := range directPath {
		add(&types.VirtualPCIPassthroughDynamicBackingInfo{
			AllowedDevice: []types.VirtualPCIPassthroughAllowedDevice{{VendorId: int32(device.VendorID), DeviceId: int32(device.DeviceID)}},
			CustomLabel:   device.CustomLabel,
		})
	}
	return spec
}

// commonDevices are a disk and a network adapter.
func (v *vcenter) commonDevices(diskGib int64) []types.BaseVirtualDeviceConfigSpec {
	var devices object.VirtualDeviceList
	controller, err := devices.CreateSCSIController("pvscsi")
	if err != nil {
		panic(err) // a known type
	}
	disk := devices.CreateDisk(controller.(types.BaseVirtualController), v.datastore, "")
	disk.CapacityInKB = diskGib << 20
	disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo).ThinProvisioned = types.NewBool(true)
	devices = append(devices, controller, disk)
	nic, err := devices.CreateEthernetCard("vmxnet3", v.portgroupBacking())
	if err != nil {
		panic(err) // a known type
	}
	devices = append(devices, nic)
	specs, err := devices.ConfigSpec(types.VirtualDeviceConfigSpecOperationAdd)
	if err != nil {
		panic(err) // only reads the list
	}
	return specs
}

func (v *vcenter) portgroupBacking() types.BaseVirtualDeviceBackingInfo {
	for _, entity := range v.registry.All("DistributedVirtualPortgroup") {
		group := entity.(*simulator.DistributedVirtualPortgroup)
		if group.Name == v.site.Network.Portgroup {
			dvs := v.registry.Get(*group.Config.DistributedVirtualSwitch).(*simulator.DistributedVirtualSwitch)
			return &types.VirtualEthernetCardDistributedVirtualPortBackingInfo{Port: types.DistributedVirtualSwitchPortConnection{
				PortgroupKey: group.Key, SwitchUuid: dvs.Uuid,
			}}
		}
	}
	panic("the inventory has no port group " + v.site.Network.Portgroup)
}

// namespaceHome is the folder and resource pool of a namespace, as the Supervisor makes them.
func (v *vcenter) namespaceHome(namespace string) (*object.Folder, *object.ResourcePool, error) {
	v.folders.Lock()
	defer v.folders.Unlock()
	ctx := v.background
	folder := object.NewFolder(v.client, v.vmFolder)
	pool := object.NewResourcePool(v.client, v.rootPool)
	for _, name := range []string{serviceFolder, namespace} {
		next := v.childOf(folder.Reference(), name)
		if next == nil {
			made, err := folder.CreateFolder(ctx, name)
			if err != nil {
				return nil, nil, err
			}
			ref := made.Reference()
			next = &ref
		}
		folder = object.NewFolder(v.client, *next)
		next = v.childOf(pool.Reference(), name)
		if next == nil {
			made, err := pool.Create(ctx, name, types.DefaultResourceConfigSpec())
			if err != nil {
				return nil, nil, err
			}
			ref := made.Reference()
			next = &ref
		}
		pool = object.NewResourcePool(v.client, *next)
	}
	return folder, pool, nil
}

func (v *vcenter) childOf(parent types.ManagedObjectReference, name string) *types.ManagedObjectReference {
	var found *types.ManagedObjectReference
	object := v.registry.Get(parent)
	v.context().WithLock(object, func() {
		var children []types.ManagedObjectReference
		switch p := object.(type) {
		case *simulator.Folder:
			children = p.ChildEntity
		case *simulator.ResourcePool:
			children = p.ResourcePool.ResourcePool
		}
		if entity := v.registry.FindByName(name, children); entity != nil {
			ref := entity.Reference()
			found = &ref
		}
	})
	return found
}

func (v *vcenter) ensureStarted(moid string) error {
	ref := types.ManagedObjectReference{Type: "VirtualMachine", Value: moid}
	vm := object.NewVirtualMachine(v.client, ref)
	state, err := vm.PowerState(v.background)
	if err != nil || state == types.VirtualMachinePowerStatePoweredOn {
		return err
	}
	task, err := vm.PowerOn(v.background)
	if err != nil {
		return err
	}
	return task.Wait(v.background)
}

// destroy powers a VM off and removes it; nothing happens when it is gone.
func (v *vcenter) destroy(moid string) {
	vm := object.NewVirtualMachine(v.client, types.ManagedObjectReference{Type: "VirtualMachine", Value: moid})
	if task, err := vm.PowerOff(v.background); err == nil {
		_ = task.Wait(v.background) // fails when it is off already
	}
	if task, err := vm.Destroy(v.background); err == nil {
		_ = task.Wait(v.background) // fails when it is gone already
	}
}

func (v *vcenter) deleteOwned(w http.ResponseWriter, r *http.Request) {
	owner := r.PathValue("owner")
	defer v.owners.lock(owner)()
	if owned := v.owned.get(owner); owned != nil {
		v.destroy(owned.Moid)
	}
	if v.owned.get(owner) != nil {
		labError(w, http.StatusInternalServerError, "InternalError", fmt.Sprintf("the VM of %q could not be removed", owner))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// removeNamespaceVMs clears what is left of a namespace in the inventory.
func (v *vcenter) removeNamespaceVMs(namespace string) error {
	for _, owned := range v.owned.all() {
		if owned.Namespace == namespace {
			v.destroy(owned.Moid)
		}
	}
	v.folders.Lock()
	defer v.folders.Unlock()
	if top := v.childOf(v.vmFolder, serviceFolder); top != nil {
		if ref := v.childOf(*top, namespace); ref != nil {
			if err := wait(v, object.NewFolder(v.client, *ref).Destroy); err != nil {
				return err
			}
		}
	}
	if top := v.childOf(v.rootPool, serviceFolder); top != nil {
		if ref := v.childOf(*top, namespace); ref != nil {
			return wait(v, object.NewResourcePool(v.client, *ref).Destroy)
		}
	}
	return nil
}
