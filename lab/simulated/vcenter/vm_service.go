package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

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

// vmStatus is an ownedVM with what vCenter gave it.
type vmStatus struct {
	ownedVM
	InstanceUUID string           `json:"instance_uuid"`
	BiosUUID     string           `json:"bios_uuid"`
	Host         string           `json:"host"`
	IP           string           `json:"ip"`
	PowerState   string           `json:"power_state"`
	Devices      []vmStatusDevice `json:"devices"`
}

type vmStatusDevice struct {
	Type     string `json:"type"` // vgpu or directpath
	Address  string `json:"address"`
	Profile  string `json:"profile,omitempty"`
	VendorID int64  `json:"vendor_id"`
	DeviceID int64  `json:"device_id"`
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

func (v *vcenter) listOwned(w http.ResponseWriter, _ *http.Request) {
	vms := []*vmStatus{}
	for _, owned := range v.owned.all() {
		if vm := v.describe(owned); vm != nil {
			vms = append(vms, vm)
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"vms": vms})
}

// describe is nil when the VM is gone.
func (v *vcenter) describe(owned *ownedVM) *vmStatus {
	vm, ok := v.registry.Get(types.ManagedObjectReference{Type: "VirtualMachine", Value: owned.Moid}).(*simulator.VirtualMachine)
	if !ok {
		return nil
	}
	held := v.placement.allocationOf(owned.Moid)
	result := &vmStatus{ownedVM: *owned, Host: held.host, IP: v.records.get(owned.Moid).IP, Devices: []vmStatusDevice{}}
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
		result.Devices = append(result.Devices, vmStatusDevice{kind, address, profile, pciID(model.Vendor), pciID(model.Device)})
	}
	for _, use := range held.vgpus {
		add("vgpu", use.GPU, use.Profile)
	}
	for _, address := range held.dynamic {
		add("directpath", address, "")
	}
	slices.SortFunc(result.Devices, func(a, b vmStatusDevice) int { return strings.Compare(a.Address, b.Address) })
	return result
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
		if status, reason, err := v.createServiceVM(&req); err != nil {
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
	writeJSON(w, http.StatusCreated, vm)
}

// createServiceVM creates the VM, powered off, on a host that can run it.
func (v *vcenter) createServiceVM(req *vmRequest) (status int, reason string, err error) {
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
	d := &requirements{
		vm: "dry", name: req.Name, memoryMib: spec.MemoryMB, reservedMib: *spec.MemoryAllocation.Reservation, efi: true,
	}
	devices, _ := applyDeviceChanges(nil, spec.DeviceChange)
	d.setDevices(devices)
	placed, fault := v.placement.admit(d, true)
	if fault != nil {
		return http.StatusConflict, "InsufficientCapacity", fault
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

func (v *vcenter) ensureStarted(moid string) error {
	ref := types.ManagedObjectReference{Type: "VirtualMachine", Value: moid}
	vm := object.NewVirtualMachine(v.client, ref)
	state, err := vm.PowerState(v.background)
	if err != nil || state == types.VirtualMachinePowerStatePoweredOn {
		return err
	}
	return awaitTask(v, vm.PowerOn)
}

// destroy powers a VM off and removes it; nothing happens when it is gone.
func (v *vcenter) destroy(moid string) {
	vm := object.NewVirtualMachine(v.client, types.ManagedObjectReference{Type: "VirtualMachine", Value: moid})
	_ = awaitTask(v, vm.PowerOff) // fails when it is off already
	_ = awaitTask(v, vm.Destroy)  // fails when it is gone already
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
