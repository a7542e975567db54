package main

import (
	"encoding/json"
	"net/http"
	"slices"
)

// vmClass is a VM class: sizes in CPUs and MiB, reservations in per cent.
type vmClass struct {
	ID                string          `json:"id"`
	Description       string          `json:"description"`
	CPUCount          int64           `json:"cpu_count"`
	MemoryMiB         int64           `json:"memory_MB"`
	CPUReservation    *int64          `json:"cpu_reservation,omitempty"`
	MemoryReservation *int64          `json:"memory_reservation,omitempty"`
	Devices           classDevices    `json:"devices"`
	ConfigSpec        json.RawMessage `json:"config_spec,omitempty"`
}

type classDevices struct {
	VGPU       []classVGPU       `json:"vgpu_devices"`
	DirectPath []classDirectPath `json:"dynamic_direct_path_IO_devices"`
}

type classVGPU struct {
	ProfileName string `json:"profile_name"`
}

type classDirectPath struct {
	VendorID    int64  `json:"vendor_id"`
	DeviceID    int64  `json:"device_id"`
	CustomLabel string `json:"custom_label,omitempty"`
}

// classSpec is a request to create or update. JSON names are matched whatever their case, as the API's bindings differ in it.
type classSpec struct {
	ID                string  `json:"id"`
	Description       *string `json:"description"`
	CPUCount          *int64  `json:"cpu_count"`
	MemoryMiB         *int64  `json:"memory_MB"`
	CPUReservation    *int64  `json:"cpu_reservation"`
	MemoryReservation *int64  `json:"memory_reservation"`
	Devices           *struct {
		VGPU       []classVGPU       `json:"vgpu_devices"`
		DirectPath []classDirectPath `json:"dynamic_direct_path_IO_devices"`
		// The name in govmomi's bindings.
		OtherDirectPath []classDirectPath `json:"direct_path_io_devices"`
	} `json:"devices"`
	ConfigSpec json.RawMessage `json:"config_spec"`
}

type classInfo struct {
	*vmClass
	ConfigStatus string            `json:"config_status"`
	Messages     []json.RawMessage `json:"messages"`
	Namespaces   []string          `json:"namespaces"`
	VMs          []string          `json:"vms"`
}

func (v *vcenter) classInfo(id string) *classInfo {
	class, namespaces := v.wcp.class(id)
	if class == nil {
		return nil
	}
	if class.Devices.VGPU == nil {
		class.Devices.VGPU = []classVGPU{}
	}
	if class.Devices.DirectPath == nil {
		class.Devices.DirectPath = []classDirectPath{}
	}
	return &classInfo{class, "READY", []json.RawMessage{}, namespaces, v.classVMs(id)}
}

func (v *vcenter) classVMs(id string) []string {
	vms := []string{}
	for _, vm := range v.owned.all() {
		if vm.Class == id {
			vms = append(vms, vm.Moid)
		}
	}
	slices.Sort(vms)
	return vms
}

func (v *vcenter) listClasses(*http.Request) (any, *apiError) {
	infos := []*classInfo{}
	for _, id := range v.wcp.classIDs() {
		if info := v.classInfo(id); info != nil {
			infos = append(infos, info)
		}
	}
	return infos, nil
}

func (v *vcenter) getClass(r *http.Request) (any, *apiError) {
	if info := v.classInfo(r.PathValue("id")); info != nil {
		return info, nil
	}
	return nil, notFound("There is no VM class with the identifier %q.", r.PathValue("id"))
}

func (v *vcenter) createClass(r *http.Request) (any, *apiError) {
	return withBody(r, v.wcp.createClass)
}

func (v *vcenter) updateClass(r *http.Request) (any, *apiError) {
	return withBody(r, func(spec *classSpec) *apiError { return v.wcp.updateClass(r.PathValue("id"), spec) })
}

func (v *vcenter) deleteClass(r *http.Request) (any, *apiError) {
	return nil, v.wcp.deleteClass(r.PathValue("id"), v.classVMs(r.PathValue("id")))
}

func (w *wcp) createClass(spec *classSpec) *apiError {
	if !dnsLabel.MatchString(spec.ID) {
		return invalidArgument("VM class name %q is not a DNS label: lower-case letters, digits and hyphens, at most 63 characters.", spec.ID)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state.Classes[spec.ID] != nil {
		return badRequest("ALREADY_EXISTS", "A VM class with the identifier %q exists already.", spec.ID)
	}
	class := &vmClass{ID: spec.ID}
	class.apply(spec)
	if problem := w.checkClass(class); problem != nil {
		return problem
	}
	w.state.Classes[spec.ID] = class
	w.nextRevision()
	return nil
}

func (c *vmClass) apply(spec *classSpec) {
	setIfPresent(&c.Description, spec.Description)
	setIfPresent(&c.CPUCount, spec.CPUCount)
	setIfPresent(&c.MemoryMiB, spec.MemoryMiB)
	if spec.CPUReservation != nil {
		c.CPUReservation = spec.CPUReservation
	}
	if spec.MemoryReservation != nil {
		c.MemoryReservation = spec.MemoryReservation
	}
	if spec.Devices != nil {
		c.Devices = classDevices{spec.Devices.VGPU, append(spec.Devices.DirectPath, spec.Devices.OtherDirectPath...)}
	}
	if spec.ConfigSpec != nil {
		c.ConfigSpec = spec.ConfigSpec
	}
}

func (w *wcp) checkClass(c *vmClass) *apiError {
	if c.CPUCount < 1 || c.MemoryMiB < 1 {
		return invalidArgument("VM class %q: cpu_count (%d) and memory_MB (%d) must be positive.", c.ID, c.CPUCount, c.MemoryMiB)
	}
	for name, percent := range map[string]*int64{"cpu_reservation": c.CPUReservation, "memory_reservation": c.MemoryReservation} {
		if percent != nil && (*percent < 0 || *percent > 100) {
			return invalidArgument("VM class %q: %s is %d; expected 0 to 100 per cent.", c.ID, name, *percent)
		}
	}
	vgpus, directPath := c.gpus()
	if c.hasDevices() && !c.locked() && (c.MemoryReservation == nil || *c.MemoryReservation != 100) {
		return invalidArgument("VM class %q has PCI devices: memory_reservation must be 100.", c.ID)
	}
	for _, device := range vgpus {
		if w.v.placement.profileSize(device.ProfileName) == 0 {
			return invalidArgument("VM class %q: no host has the vGPU profile %q; the hosts have %s.", c.ID, device.ProfileName, list(w.v.placement.profiles()))
		}
	}
	for _, device := range directPath {
		if !w.v.placement.hasDevice(device.VendorID, device.DeviceID) {
			return invalidArgument("VM class %q: no host has the PCI device %04x:%04x with passthrough active.", c.ID, device.VendorID, device.DeviceID)
		}
	}
	return nil
}

func (w *wcp) updateClass(id string, spec *classSpec) *apiError {
	w.mu.Lock()
	defer w.mu.Unlock()
	class := w.state.Classes[id]
	if class == nil {
		return notFound("There is no VM class with the identifier %q.", id)
	}
	changed := *class
	changed.apply(spec)
	if problem := w.checkClass(&changed); problem != nil {
		return problem
	}
	w.state.Classes[id] = &changed
	w.nextRevision()
	return nil
}

func (w *wcp) deleteClass(id string, vms []string) *apiError {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state.Classes[id] == nil {
		return notFound("There is no VM class with the identifier %q.", id)
	}
	if users := w.classNamespaces(id); len(users)+len(vms) > 0 {
		return badRequest("RESOURCE_IN_USE", "The VM class %q is in use: namespaces %s; %d VMs.", id, list(users), len(vms))
	}
	delete(w.state.Classes, id)
	w.nextRevision()
	return nil
}

// classNamespaces lists the namespaces that may use a class, without those being removed; w.mu is held.
func (w *wcp) classNamespaces(id string) []string {
	users := []string{}
	for _, name := range sortedKeys(w.state.Namespaces) {
		ns := w.state.Namespaces[name]
		if ns.ConfigStatus != removing && slices.Contains(ns.VMServiceSpec.VMClasses, id) {
			users = append(users, name)
		}
	}
	return users
}

func (w *wcp) class(id string) (*vmClass, []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	class := w.state.Classes[id]
	if class == nil {
		return nil, nil
	}
	copied := *class
	return &copied, w.classNamespaces(id)
}

func (w *wcp) classIDs() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return sortedKeys(w.state.Classes)
}

// percent of an amount, nil being none.
func percent(of int64, share *int64) int64 {
	if share == nil {
		return 0
	}
	return of * *share / 100
}

// configSpec is what counts here of the VirtualMachineConfigSpec of a class that was made in vSphere Client.
type configSpec struct {
	MemoryReservationLockedToMax bool
	DeviceChange                 []struct {
		Operation string
		Device    struct {
			Backing struct {
				VGPU          string
				CustomLabel   string
				AllowedDevice []struct{ VendorID, DeviceID int64 }
			}
		}
	}
}

func (c *vmClass) spec() configSpec {
	var spec configSpec
	if len(c.ConfigSpec) > 0 {
		_ = json.Unmarshal(c.ConfigSpec, &spec) // what is no such object has no devices
	}
	return spec
}

func (c *vmClass) locked() bool { return c.spec().MemoryReservationLockedToMax }

// gpus are the devices of a class, which stand in its config_spec where they are not in devices.
func (c *vmClass) gpus() ([]classVGPU, []classDirectPath) {
	if len(c.Devices.VGPU)+len(c.Devices.DirectPath) > 0 {
		return c.Devices.VGPU, c.Devices.DirectPath
	}
	var vgpus []classVGPU
	var directPath []classDirectPath
	for _, change := range c.spec().DeviceChange {
		backing := change.Device.Backing
		switch {
		case change.Operation == "remove":
		case backing.VGPU != "":
			vgpus = append(vgpus, classVGPU{backing.VGPU})
		case len(backing.AllowedDevice) > 0:
			allowed := backing.AllowedDevice[0]
			directPath = append(directPath, classDirectPath{allowed.VendorID, allowed.DeviceID, backing.CustomLabel})
		}
	}
	return vgpus, directPath
}

func (c *vmClass) hasDevices() bool {
	vgpus, directPath := c.gpus()
	return len(vgpus)+len(directPath) > 0
}

func (c *vmClass) profiles() []string {
	names := []string{}
	vgpus, _ := c.gpus()
	for _, device := range vgpus {
		names = append(names, device.ProfileName)
	}
	return names
}
