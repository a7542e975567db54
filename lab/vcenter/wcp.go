package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// wcp holds what vCenter wants of the Supervisor: namespaces and VM classes. The lab's operators carry it out and report.
type wcp struct {
	v     *vcenter
	store *store

	mu      sync.Mutex
	state   wcpState
	dirty   bool
	changed chan struct{}
}

type wcpState struct {
	Revision   int64                    `json:"revision"`
	Namespaces map[string]*wcpNamespace `json:"namespaces"`
	Classes    map[string]*vmClass      `json:"classes"`
}

// Statuses of a namespace, by the vSphere Automation API.
const (
	configuring = "CONFIGURING"
	removing    = "REMOVING"
)

var statuses = []string{configuring, "RUNNING", removing, "ERROR"}

// wcpNamespace is a Supervisor namespace, in the API's own field names.
type wcpNamespace struct {
	Name             string             `json:"namespace"`
	Supervisor       string             `json:"supervisor"`
	Description      string             `json:"description"`
	ConfigStatus     string             `json:"config_status"`
	AccessList       []accessEntry      `json:"access_list"`
	StorageSpecs     []storageSpec      `json:"storage_specs"`
	VMServiceSpec    vmServiceSpec      `json:"vm_service_spec"`
	ContentLibraries []namespaceLibrary `json:"content_libraries"`
	ResourceSpec     json.RawMessage    `json:"resource_spec,omitempty"`
	NetworkSpec      json.RawMessage    `json:"network_spec,omitempty"`
	Messages         []json.RawMessage  `json:"messages"`
	Revision         int64              `json:"revision"` // of its last change
}

type accessEntry struct {
	SubjectType      string `json:"subject_type"`
	Subject          string `json:"subject"`
	Domain           string `json:"domain"`
	Role             string `json:"role"`
	IdentityProvider string `json:"identity_provider,omitempty"`
}

type storageSpec struct {
	Policy string `json:"policy"`
	Limit  *int64 `json:"limit,omitempty"` // MiB
}

type vmServiceSpec struct {
	VMClasses        []string `json:"vm_classes"`
	ContentLibraries []string `json:"content_libraries"`
}

type namespaceLibrary struct {
	ContentLibrary         string `json:"content_library"`
	Writable               bool   `json:"writable"`
	AllowImport            bool   `json:"allow_import"`
	ResourceNamingStrategy string `json:"resource_naming_strategy,omitempty"`
}

// namespaceSpec is a request to create or update; absent fields are left alone.
type namespaceSpec struct {
	Namespace        string              `json:"namespace"`
	Supervisor       string              `json:"supervisor"`
	Description      *string             `json:"description"`
	AccessList       *[]accessEntry      `json:"access_list"`
	StorageSpecs     *[]storageSpec      `json:"storage_specs"`
	VMServiceSpec    *vmServiceSpec      `json:"vm_service_spec"`
	ContentLibraries *[]namespaceLibrary `json:"content_libraries"`
	ResourceSpec     json.RawMessage     `json:"resource_spec"`
	NetworkSpec      json.RawMessage     `json:"network_spec"`
}

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

var dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

func openWCP(v *vcenter, store *store) (*wcp, error) {
	w := &wcp{v: v, store: store, changed: make(chan struct{})}
	w.state.Namespaces, w.state.Classes = map[string]*wcpNamespace{}, map[string]*vmClass{}
	data, err := store.read("wcp.json")
	if err != nil || data == nil {
		return w, err
	}
	if err := json.Unmarshal(data, &w.state); err != nil {
		return nil, fmt.Errorf("wcp.json: %w", err)
	}
	return w, nil
}

func (w *wcp) flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.dirty {
		return nil
	}
	data, err := json.Marshal(w.state)
	if err != nil {
		return err
	}
	if err := w.store.write("wcp.json", data); err != nil {
		return err
	}
	w.dirty = false
	return nil
}

// beat gives the state a new revision and wakes the long polls. w.mu is held.
func (w *wcp) beat() int64 {
	w.state.Revision++
	w.dirty = true
	close(w.changed)
	w.changed = make(chan struct{})
	return w.state.Revision
}

// bump tells that something changed that other parts hold: libraries or storage policies.
func (w *wcp) bump() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.beat()
}

func (w *wcp) usesPolicy(id string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, ns := range w.state.Namespaces {
		if slices.ContainsFunc(ns.StorageSpecs, func(s storageSpec) bool { return s.Policy == id }) {
			return name
		}
	}
	return ""
}

// ---- namespaces

func (w *wcp) createNamespace(spec *namespaceSpec) *apiError {
	if !dnsLabel.MatchString(spec.Namespace) {
		return invalid("Namespace name %q is not a DNS label: lower-case letters, digits and hyphens, at most 63 characters.", spec.Namespace)
	}
	if spec.Supervisor != w.v.site.Supervisor.ID {
		return missing("There is no Supervisor with the identifier %q.", spec.Supervisor)
	}
	if problem := w.checkNamespace(spec); problem != nil {
		return problem
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if found := w.state.Namespaces[spec.Namespace]; found != nil {
		return refused("ALREADY_EXISTS", "A namespace with the name %q exists already (%s).", spec.Namespace, found.ConfigStatus)
	}
	if problem := w.checkClasses(spec.VMServiceSpec); problem != nil {
		return problem
	}
	ns := &wcpNamespace{Name: spec.Namespace, Supervisor: spec.Supervisor, ConfigStatus: configuring}
	if problem := ns.apply(spec); problem != nil {
		return problem
	}
	w.state.Namespaces[spec.Namespace] = ns
	ns.Revision = w.beat()
	return nil
}

func (ns *wcpNamespace) apply(spec *namespaceSpec) *apiError {
	if problem := ns.applyLibraries(spec); problem != nil {
		return problem
	}
	if spec.Description != nil {
		ns.Description = *spec.Description
	}
	if spec.AccessList != nil {
		ns.AccessList = *spec.AccessList
	}
	if spec.StorageSpecs != nil {
		ns.StorageSpecs = *spec.StorageSpecs
	}
	if spec.VMServiceSpec != nil {
		ns.VMServiceSpec.VMClasses = spec.VMServiceSpec.VMClasses
	}
	if spec.ResourceSpec != nil {
		ns.ResourceSpec = spec.ResourceSpec
	}
	if spec.NetworkSpec != nil {
		ns.NetworkSpec = spec.NetworkSpec
	}
	return nil
}

// applyLibraries keeps the libraries of the VM Service and those of the VM Image Service one set, as vCenter does. The latter
// carry the settings; without them in a request the present ones stay, and no writable library may go.
func (ns *wcpNamespace) applyLibraries(spec *namespaceSpec) *apiError {
	if spec.VMServiceSpec == nil && spec.ContentLibraries == nil {
		return nil
	}
	settings, wanted := ns.ContentLibraries, []string{}
	if spec.VMServiceSpec != nil {
		wanted = append(wanted, spec.VMServiceSpec.ContentLibraries...)
	}
	if spec.ContentLibraries != nil {
		settings = *spec.ContentLibraries
		for _, l := range settings {
			if !slices.Contains(wanted, l.ContentLibrary) {
				wanted = append(wanted, l.ContentLibrary)
			}
		}
	}
	libraries := []namespaceLibrary{}
	for _, id := range wanted {
		i := slices.IndexFunc(settings, func(l namespaceLibrary) bool { return l.ContentLibrary == id })
		if i < 0 {
			libraries = append(libraries, namespaceLibrary{ContentLibrary: id})
			continue
		}
		libraries = append(libraries, settings[i])
	}
	for _, l := range ns.ContentLibraries {
		if l.Writable && spec.ContentLibraries == nil && !slices.Contains(wanted, l.ContentLibrary) {
			return invalid("The content library %q is writable; it is taken away with content_libraries only.", l.ContentLibrary)
		}
	}
	ns.ContentLibraries, ns.VMServiceSpec.ContentLibraries = libraries, wanted
	return nil
}

// checkNamespace looks at what a request names outside the Supervisor.
func (w *wcp) checkNamespace(spec *namespaceSpec) *apiError {
	if spec.AccessList != nil {
		for _, entry := range *spec.AccessList {
			if problem := w.checkAccess(entry); problem != nil {
				return problem
			}
		}
	}
	if spec.StorageSpecs != nil {
		policies := w.v.policies.list()
		for _, s := range *spec.StorageSpecs {
			if !slices.ContainsFunc(policies, func(p storagePolicy) bool { return p.ID == s.Policy }) {
				return invalid("There is no storage policy with the identifier %q.", s.Policy)
			}
		}
	}
	wanted := []string{}
	if spec.VMServiceSpec != nil {
		wanted = append(wanted, spec.VMServiceSpec.ContentLibraries...)
	}
	if spec.ContentLibraries != nil {
		for _, l := range *spec.ContentLibraries {
			wanted = append(wanted, l.ContentLibrary)
		}
	}
	libraries, err := w.v.vapi.libraries()
	if err != nil {
		return failed(err)
	}
	for _, id := range wanted {
		if !slices.ContainsFunc(libraries, func(l contentLibrary) bool { return l.ID == id }) {
			return invalid("There is no content library with the identifier %q.", id)
		}
	}
	return nil
}

func (w *wcp) checkAccess(entry accessEntry) *apiError {
	site := w.v.site.Identity
	switch {
	case entry.SubjectType != "USER" && entry.SubjectType != "GROUP":
		return invalid("subject_type is %q; expected USER or GROUP.", entry.SubjectType)
	case entry.Role != "OWNER" && entry.Role != "EDIT" && entry.Role != "VIEW":
		return invalid("role is %q; expected OWNER, EDIT or VIEW.", entry.Role)
	case entry.IdentityProvider != "" && !slices.Contains(w.v.providerIDs(), entry.IdentityProvider):
		return invalid("There is no identity provider with the identifier %q.", entry.IdentityProvider)
	case entry.Domain == "vsphere.local" || entry.IdentityProvider != "":
		return nil
	case entry.Domain != site.Domain:
		return invalid("There is no identity provider for the domain %q; the domains are vsphere.local and %s.", entry.Domain, site.Domain)
	case entry.SubjectType == "GROUP" && !slices.Contains(site.Groups, entry.Subject):
		return invalid("There is no group %q in the domain %s; its groups are %s.", entry.Subject, site.Domain, list(site.Groups))
	}
	return nil
}

// checkClasses looks for the VM classes of a request; w.mu is held.
func (w *wcp) checkClasses(spec *vmServiceSpec) *apiError {
	if spec == nil {
		return nil
	}
	for _, name := range spec.VMClasses {
		if w.state.Classes[name] == nil {
			return invalid("There is no VM class with the identifier %q.", name)
		}
	}
	return nil
}

// changeNamespace runs change on a namespace that is neither being configured nor removed; a change is configured anew.
func (w *wcp) changeNamespace(name string, change func(*wcpNamespace) *apiError) *apiError {
	w.mu.Lock()
	defer w.mu.Unlock()
	ns := w.state.Namespaces[name]
	if ns == nil {
		return missing("There is no namespace %q.", name)
	}
	switch ns.ConfigStatus {
	case removing:
		return refused("NOT_ALLOWED_IN_CURRENT_STATE", "The namespace %q is being removed.", name)
	case configuring:
		return refused("NOT_ALLOWED_IN_CURRENT_STATE", "The namespace %q is being configured.", name)
	}
	before, err := json.Marshal(ns)
	if err != nil {
		return failed(err)
	}
	if problem := change(ns); problem != nil {
		return problem
	}
	if after, err := json.Marshal(ns); err == nil && string(after) != string(before) {
		ns.ConfigStatus = configuring
		ns.Revision = w.beat()
	}
	return nil
}

func (w *wcp) updateNamespace(name string, spec *namespaceSpec) *apiError {
	if problem := w.checkNamespace(spec); problem != nil {
		return problem
	}
	return w.changeNamespace(name, func(ns *wcpNamespace) *apiError {
		if problem := w.checkClasses(spec.VMServiceSpec); problem != nil {
			return problem
		}
		return ns.apply(spec)
	})
}

func (w *wcp) deleteNamespace(name string) *apiError {
	w.mu.Lock()
	defer w.mu.Unlock()
	ns := w.state.Namespaces[name]
	if ns == nil {
		return missing("There is no namespace %q.", name)
	}
	if ns.ConfigStatus == configuring {
		return refused("NOT_ALLOWED_IN_CURRENT_STATE", "The namespace %q is being configured.", name)
	}
	if ns.ConfigStatus != removing {
		ns.ConfigStatus = removing
		ns.Revision = w.beat()
	}
	return nil
}

// namespace is a copy that can be read without a lock.
func (w *wcp) namespace(name string) *wcpNamespace {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state.Namespaces[name].copy()
}

func (ns *wcpNamespace) copy() *wcpNamespace {
	if ns == nil {
		return nil
	}
	copied := *ns
	copied.AccessList = append([]accessEntry{}, ns.AccessList...)
	copied.StorageSpecs = append([]storageSpec{}, ns.StorageSpecs...)
	copied.ContentLibraries = append([]namespaceLibrary{}, ns.ContentLibraries...)
	copied.VMServiceSpec.VMClasses = append([]string{}, ns.VMServiceSpec.VMClasses...)
	copied.VMServiceSpec.ContentLibraries = append([]string{}, ns.VMServiceSpec.ContentLibraries...)
	copied.Messages = append([]json.RawMessage{}, ns.Messages...)
	return &copied
}

func (w *wcp) namespaces() []*wcpNamespace {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := []*wcpNamespace{}
	for _, name := range sortedKeys(w.state.Namespaces) {
		found = append(found, w.state.Namespaces[name].copy())
	}
	return found
}

// report takes an operator's word about a namespace. A report on an older revision than the namespace has is out of date.
func (w *wcp) report(name, status string, revision int64) *apiError {
	if !slices.Contains(statuses, status) {
		return invalid("config_status is %q; expected one of %s.", status, list(statuses))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	ns := w.state.Namespaces[name]
	if ns == nil {
		return missing("There is no namespace %q.", name)
	}
	if ns.ConfigStatus == removing || revision != 0 && revision < ns.Revision || ns.ConfigStatus == status {
		return nil
	}
	ns.ConfigStatus = status
	w.beat()
	return nil
}

// gone forgets a namespace that the Supervisor has removed.
func (w *wcp) gone(name string) *apiError {
	w.mu.Lock()
	defer w.mu.Unlock()
	ns := w.state.Namespaces[name]
	if ns == nil {
		return nil
	}
	if ns.ConfigStatus != removing {
		return refused("NOT_ALLOWED_IN_CURRENT_STATE", "The namespace %q is %s; nobody asked for its removal.", name, ns.ConfigStatus)
	}
	delete(w.state.Namespaces, name)
	w.beat()
	return nil
}

// ---- VM classes

func (w *wcp) createClass(spec *classSpec) *apiError {
	if !dnsLabel.MatchString(spec.ID) {
		return invalid("VM class name %q is not a DNS label: lower-case letters, digits and hyphens, at most 63 characters.", spec.ID)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state.Classes[spec.ID] != nil {
		return refused("ALREADY_EXISTS", "A VM class with the identifier %q exists already.", spec.ID)
	}
	class := &vmClass{ID: spec.ID}
	class.apply(spec)
	if problem := w.checkClass(class); problem != nil {
		return problem
	}
	w.state.Classes[spec.ID] = class
	w.beat()
	return nil
}

func (c *vmClass) apply(spec *classSpec) {
	if spec.Description != nil {
		c.Description = *spec.Description
	}
	if spec.CPUCount != nil {
		c.CPUCount = *spec.CPUCount
	}
	if spec.MemoryMiB != nil {
		c.MemoryMiB = *spec.MemoryMiB
	}
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
		return invalid("VM class %q: cpu_count (%d) and memory_MB (%d) must be positive.", c.ID, c.CPUCount, c.MemoryMiB)
	}
	for name, percent := range map[string]*int64{"cpu_reservation": c.CPUReservation, "memory_reservation": c.MemoryReservation} {
		if percent != nil && (*percent < 0 || *percent > 100) {
			return invalid("VM class %q: %s is %d; expected 0 to 100 per cent.", c.ID, name, *percent)
		}
	}
	vgpus, directPath := c.gpus()
	if c.hasDevices() && !c.locked() && (c.MemoryReservation == nil || *c.MemoryReservation != 100) {
		return invalid("VM class %q has PCI devices: memory_reservation must be 100.", c.ID)
	}
	for _, device := range vgpus {
		if w.v.placement.profileSize(device.ProfileName) == 0 {
			return invalid("VM class %q: no host has the vGPU profile %q; the hosts have %s.", c.ID, device.ProfileName, list(w.v.placement.profiles()))
		}
	}
	for _, device := range directPath {
		if !w.v.placement.hasDevice(device.VendorID, device.DeviceID) {
			return invalid("VM class %q: no host has the PCI device %04x:%04x with passthrough active.", c.ID, device.VendorID, device.DeviceID)
		}
	}
	return nil
}

func (w *wcp) updateClass(id string, spec *classSpec) *apiError {
	w.mu.Lock()
	defer w.mu.Unlock()
	class := w.state.Classes[id]
	if class == nil {
		return missing("There is no VM class with the identifier %q.", id)
	}
	changed := *class
	changed.apply(spec)
	if problem := w.checkClass(&changed); problem != nil {
		return problem
	}
	w.state.Classes[id] = &changed
	w.beat()
	return nil
}

func (w *wcp) deleteClass(id string, vms []string) *apiError {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state.Classes[id] == nil {
		return missing("There is no VM class with the identifier %q.", id)
	}
	if users := w.classNamespaces(id); len(users)+len(vms) > 0 {
		return refused("RESOURCE_IN_USE", "The VM class %q is in use: namespaces %s; %d VMs.", id, list(users), len(vms))
	}
	delete(w.state.Classes, id)
	w.beat()
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

// namingOf is the Kubernetes name of a storage policy, as the Supervisor derives it.
func namingOf(policy string) string {
	return strings.Trim(regexp.MustCompile(`[^a-z0-9.]+`).ReplaceAllString(strings.ToLower(policy), "-"), "-.")
}
