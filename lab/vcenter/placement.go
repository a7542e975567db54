package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/vmware/govmomi/vim25/types"
)

// placement knows which VM holds which GPU and how much memory, and decides where a VM can run. It holds the rules that
// vSphere holds and govmomi's simulator does not:
//
//   - a PCI device belongs to one VM;
//   - a VM with a PCI device starts only with all its memory reserved, and with EFI firmware;
//   - a fixed device (DirectPath I/O) needs the VM on the device's host;
//   - a GPU runs vGPUs of one framebuffer size, as many as fit;
//   - reserved memory is never over-committed.
//
// It touches no inventory object, so that it can be asked while those are locked.
type placement struct {
	mu     sync.Mutex
	hosts  []*host
	claims map[string]*claim // by VM id
}

type host struct {
	name      string
	ref       types.ManagedObjectReference
	systemID  string
	memoryMib int64
	gpus      []*gpu
}

type gpu struct {
	address string
	model   *gpuModel
}

// vgpuUse is one vGPU on a physical GPU.
type vgpuUse struct {
	Device  int32  `json:"device"` // key of the VM's virtual device
	GPU     string `json:"gpu"`    // PCI address
	Profile string `json:"profile"`
	sizeGib int64
}

// claim is what a VM holds.
type claim struct {
	name        string
	host        string
	fixed       []string         // PCI addresses, held even while powered off
	reservedMib int64            // while powered on
	dynamic     map[int32]string // virtual device key -> PCI address, while powered on
	vgpus       []vgpuUse        // while powered on
}

// demand is what a VM needs to run.
type demand struct {
	vm, name    string
	host        string // where the VM is now
	memoryMib   int64
	reservedMib int64
	efi         bool
	fixed       []fixedDevice
	dynamic     []dynamicDevice
	vgpus       []vgpuDevice
}

type fixedDevice struct {
	key      int32
	address  string
	systemID string
}

type dynamicDevice struct {
	key     int32
	allowed []types.VirtualPCIPassthroughAllowedDevice
	label   string
}

type vgpuDevice struct {
	key     int32
	profile string
}

func (d *demand) devices() int { return len(d.fixed) + len(d.dynamic) + len(d.vgpus) }

// refusal is a fault with a message for people.
type refusal struct {
	fault   types.BaseMethodFault
	message string
}

func (r *refusal) Error() string { return r.message }

func configFault(format string, args ...any) *refusal {
	message := fmt.Sprintf(format, args...)
	return &refusal{&types.GenericVmConfigFault{Reason: message}, message}
}

func (p *placement) hostByName(name string) *host {
	for _, h := range p.hosts {
		if h.name == name {
			return h
		}
	}
	return nil
}

func (p *placement) hostByRef(ref types.ManagedObjectReference) *host {
	for _, h := range p.hosts {
		if h.ref == ref {
			return h
		}
	}
	return nil
}

func (h *host) gpu(address string) *gpu {
	for _, g := range h.gpus {
		if g.address == address {
			return g
		}
	}
	return nil
}

// profileSize is the framebuffer in GiB of a vGPU profile that some host has, else 0.
func (p *placement) profileSize(profile string) int64 {
	for _, h := range p.hosts {
		for _, g := range h.gpus {
			if size, ok := g.model.Profiles[profile]; ok && g.model.Use == "sharedDirect" {
				return size
			}
		}
	}
	return 0
}

func (p *placement) profiles() []string {
	var names []string
	for _, h := range p.hosts {
		for _, g := range h.gpus {
			for name := range g.model.Profiles {
				if g.model.Use == "sharedDirect" && !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	slices.Sort(names)
	return names
}

// hasDevice tells whether some host has a device of these PCI ids ready for DirectPath I/O.
func (p *placement) hasDevice(vendor, device int64) bool {
	return slices.ContainsFunc(p.hosts, func(h *host) bool {
		return slices.ContainsFunc(h.gpus, func(g *gpu) bool { return g.passthrough(vendor, device) })
	})
}

func (g *gpu) passthrough(vendor, device int64) bool {
	return g.model.Use == "passthrough" && pciID(g.model.Vendor) == vendor && pciID(g.model.Device) == device
}

func (g *gpu) describe() string {
	return fmt.Sprintf("%s (%s:%s)", g.model.Name, g.model.Vendor, g.model.Device)
}

// checkDevices says what is wrong with a VM's devices whatever else runs: unknown profiles, absent devices, a fixed device of
// another host, one device twice.
func (p *placement) checkDevices(d *demand) *refusal {
	for _, v := range d.vgpus {
		if p.profileSize(v.profile) == 0 {
			return invalidBacking("vGPU profile %q: no host has it; the hosts have %s", v.profile, list(p.profiles()))
		}
	}
	for _, device := range d.dynamic {
		if !slices.ContainsFunc(device.allowed, func(a types.VirtualPCIPassthroughAllowedDevice) bool {
			return p.hasDevice(int64(a.VendorId), int64(a.DeviceId))
		}) {
			return invalidBacking("Dynamic DirectPath I/O device %s: no host has such a device with passthrough active", describeAllowed(device.allowed))
		}
	}
	here := p.hostByName(d.host)
	for i, device := range d.fixed {
		for _, other := range d.fixed[:i] {
			if other.address == device.address {
				return invalidBacking("PCI device %s is given twice to VM %q", device.address, d.name)
			}
		}
		var found *gpu
		if here != nil {
			found = here.gpu(device.address)
		}
		switch {
		case found == nil:
			return invalidBacking("PCI device %s: host %s of VM %q has no such device; pin the VM to the host of the device",
				device.address, d.host, d.name)
		case found.model.Use != "passthrough":
			return invalidBacking("PCI device %s of host %s is not enabled for passthrough (it is used for vGPU)", device.address, d.host)
		case device.systemID != "" && device.systemID != here.systemID:
			return invalidBacking("PCI device %s: system id %s is not that of host %s (%s)", device.address, device.systemID, d.host, here.systemID)
		}
	}
	return nil
}

func invalidBacking(format string, args ...any) *refusal {
	return &refusal{new(types.InvalidDeviceBacking), fmt.Sprintf(format, args...)}
}

func describeAllowed(allowed []types.VirtualPCIPassthroughAllowedDevice) string {
	var names []string
	for _, a := range allowed {
		names = append(names, fmt.Sprintf("%04x:%04x", uint16(a.VendorId), uint16(a.DeviceId)))
	}
	return strings.Join(names, " or ")
}

// configure records a VM's fixed devices, unless another VM has one of them. It returns a function that takes it back.
func (p *placement) configure(d *demand) (func(), *refusal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wanted := make([]string, 0, len(d.fixed))
	for _, device := range d.fixed {
		if owner := p.owner(d.host, device.address, d.vm); owner != "" {
			return nil, configFault("PCI device %s of host %s is assigned to VM %q already: a device belongs to one VM; free devices there: %s",
				device.address, d.host, owner, list(p.free(d.host)))
		}
		wanted = append(wanted, device.address)
	}
	mine := p.claims[d.vm]
	if mine == nil {
		mine = &claim{}
		p.claims[d.vm] = mine
	}
	before := *mine
	mine.name, mine.host, mine.fixed = d.name, d.host, wanted
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		*mine = before
	}, nil
}

// owner is the name of another VM that holds the device, else "". p.mu is held.
func (p *placement) owner(host, address, except string) string {
	for vm, c := range p.claims {
		if vm == except || c.host != host {
			continue
		}
		if slices.Contains(c.fixed, address) {
			return c.name
		}
		for _, held := range c.dynamic {
			if held == address {
				return c.name
			}
		}
	}
	return ""
}

// free lists the passthrough devices of a host that no VM holds. p.mu is held.
func (p *placement) free(name string) []string {
	var addresses []string
	for _, g := range p.hostByName(name).gpus {
		if g.model.Use == "passthrough" && p.owner(name, g.address, "") == "" {
			addresses = append(addresses, g.address)
		}
	}
	return addresses
}

// admit decides where the VM runs and records what it holds there. With dry it records nothing.
func (p *placement) admit(d *demand, dry bool) (*claim, *refusal) {
	if refused := p.checkStart(d); refused != nil {
		return nil, refused
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var reasons []string
	var errors []types.LocalizedMethodFault
	var refs []types.ManagedObjectReference
	for _, h := range p.candidates(d) {
		found, why := p.fit(h, d)
		if found == nil {
			message := fmt.Sprintf("%s: %s", h.name, why.message)
			reasons = append(reasons, message)
			errors = append(errors, types.LocalizedMethodFault{Fault: why.fault, LocalizedMessage: message})
			refs = append(refs, h.ref)
			continue
		}
		if !dry {
			found.name = d.name
			p.claims[d.vm] = found
		}
		return found, nil
	}
	message := fmt.Sprintf("No host can run VM %q. %s", d.name, strings.Join(reasons, "; "))
	if len(d.fixed) > 0 && len(errors) == 1 {
		return nil, &refusal{errors[0].Fault, message}
	}
	return nil, &refusal{&types.NoCompatibleHost{Host: refs, Error: errors}, message}
}

// checkStart holds what must be true of the VM itself before it can start.
func (p *placement) checkStart(d *demand) *refusal {
	if refused := p.checkDevices(d); refused != nil {
		return refused
	}
	if d.devices() == 0 {
		return nil
	}
	if d.reservedMib != d.memoryMib {
		return configFault("Invalid memory setting of VM %q: memory reservation (%d MB) must be equal to memsize (%d MB), since the VM has a PCI device",
			d.name, d.reservedMib, d.memoryMib)
	}
	if !d.efi {
		return configFault("VM %q has a GPU and BIOS firmware: GPUs of this size need EFI (firmware = efi)", d.name)
	}
	return nil
}

// candidates are the hosts to try: only its own for a VM with a fixed device, its own first for any other. Without any
// device the emptiest hosts come next, and those without GPUs to lose before the rest. p.mu is held.
func (p *placement) candidates(d *demand) []*host {
	if len(d.fixed) > 0 {
		return []*host{p.hostByName(d.host)}
	}
	hosts := slices.Clone(p.hosts)
	slices.SortStableFunc(hosts, func(a, b *host) int {
		if (a.name == d.host) != (b.name == d.host) {
			if a.name == d.host {
				return -1
			}
			return 1
		}
		if d.devices() > 0 {
			return 0
		}
		return int(p.reserved(a.name, d.vm) - p.reserved(b.name, d.vm))
	})
	return hosts
}

func (p *placement) reserved(host, except string) (mib int64) {
	for vm, c := range p.claims {
		if c.host == host && vm != except {
			mib += c.reservedMib
		}
	}
	return mib
}

// fit tries one host. p.mu is held.
func (p *placement) fit(h *host, d *demand) (*claim, *refusal) {
	found := &claim{host: h.name, reservedMib: d.reservedMib, dynamic: map[int32]string{}}
	for _, device := range d.fixed {
		if owner := p.owner(h.name, device.address, d.vm); owner != "" {
			return nil, configFault("PCI device %s is in use by VM %q", device.address, owner)
		}
		found.fixed = append(found.fixed, device.address)
	}
	for _, device := range d.dynamic {
		address, why := p.fitDynamic(h, d, device, found)
		if why != nil {
			return nil, why
		}
		found.dynamic[device.key] = address
	}
	for _, device := range d.vgpus {
		use, why := p.fitVGPU(h, d, device, found)
		if why != nil {
			return nil, why
		}
		found.vgpus = append(found.vgpus, *use)
	}
	if free := h.memoryMib - p.reserved(h.name, d.vm); d.reservedMib > free {
		fault := &types.InsufficientMemoryResourcesFault{Unreserved: free << 20, Requested: d.reservedMib << 20}
		return nil, &refusal{fault, fmt.Sprintf("%d MB of memory are unreserved, %d MB are needed", free, d.reservedMib)}
	}
	return found, nil
}

func (p *placement) fitDynamic(h *host, d *demand, device dynamicDevice, found *claim) (string, *refusal) {
	fitting, used := 0, 0
	for _, g := range h.gpus {
		if !slices.ContainsFunc(device.allowed, func(a types.VirtualPCIPassthroughAllowedDevice) bool {
			return g.passthrough(int64(a.VendorId), int64(a.DeviceId))
		}) || device.label != "" {
			// No device of the simulated site has a hardware label.
			continue
		}
		fitting++
		mine := slices.Contains(found.fixed, g.address)
		for _, address := range found.dynamic {
			mine = mine || address == g.address
		}
		if mine || p.owner(h.name, g.address, d.vm) != "" {
			used++
			continue
		}
		return g.address, nil
	}
	wanted := describeAllowed(device.allowed)
	if device.label != "" {
		wanted += " with label " + device.label
	}
	if fitting == 0 {
		return "", &refusal{&types.DeviceNotSupported{Device: wanted}, fmt.Sprintf("no PCI device %s with passthrough active", wanted)}
	}
	return "", &refusal{new(types.InsufficientGraphicsResourcesFault), fmt.Sprintf("all %d PCI devices %s are in use", used, wanted)}
}

func (p *placement) fitVGPU(h *host, d *demand, device vgpuDevice, found *claim) (*vgpuUse, *refusal) {
	var best *gpu
	var bestUsed int64 = -1
	var full []string
	for _, g := range h.gpus {
		size, ok := g.model.Profiles[device.profile]
		if !ok || g.model.Use != "sharedDirect" {
			continue
		}
		used, current := int64(0), int64(0)
		count := func(uses []vgpuUse) {
			for _, use := range uses {
				if use.GPU == g.address {
					used += use.sizeGib
					current = use.sizeGib
				}
			}
		}
		for vm, c := range p.claims {
			if c.host == h.name && vm != d.vm {
				count(c.vgpus)
			}
		}
		count(found.vgpus)
		switch {
		case current != 0 && current != size:
			full = append(full, fmt.Sprintf("%s runs %d GiB vGPUs", g.address, current))
		case used+size > g.model.FramebufferGib:
			full = append(full, fmt.Sprintf("%s has %d of %d GiB in use", g.address, used, g.model.FramebufferGib))
		case used > bestUsed:
			// Filling up one GPU keeps others free for vGPUs of another size.
			best, bestUsed = g, used
		}
	}
	if best != nil {
		return &vgpuUse{Device: device.key, GPU: best.address, Profile: device.profile, sizeGib: best.model.Profiles[device.profile]}, nil
	}
	if full == nil {
		return nil, &refusal{&types.DeviceNotSupported{Device: device.profile}, fmt.Sprintf("no GPU with vGPU profile %s", device.profile)}
	}
	return nil, &refusal{new(types.InsufficientGraphicsResourcesFault),
		fmt.Sprintf("no room for vGPU profile %s (%s)", device.profile, strings.Join(full, ", "))}
}

// stop releases what a VM holds only while it runs.
func (p *placement) stop(vm string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.claims[vm]; c != nil {
		c.reservedMib, c.dynamic, c.vgpus = 0, nil, nil
	}
}

// rename gives the claim, under which a VM was checked, to the VM that was made.
func (p *placement) rename(from, to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims[to] = p.claims[from]
	delete(p.claims, from)
}

// forget releases everything of a VM.
func (p *placement) forget(vm string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.claims, vm)
}

// held is what a VM holds now.
func (p *placement) held(vm string) claim {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.claims[vm]; c != nil {
		return *c
	}
	return claim{}
}

// quiet is the host with the fewest VMs, for a VM that may go anywhere.
func (p *placement) quiet() *host {
	p.mu.Lock()
	defer p.mu.Unlock()
	count := map[string]int{}
	for _, c := range p.claims {
		count[c.host]++
	}
	return slices.MinFunc(p.hosts, func(a, b *host) int { return count[a.name] - count[b.name] })
}

// hostReport and gpuReport are what /lab/v1/capacity answers.
type hostReport struct {
	Host      string      `json:"host"`
	Moid      string      `json:"moid"`
	MemoryMib int64       `json:"memory_mib"`
	FreeMib   int64       `json:"memory_free_mib"`
	GPUs      []gpuReport `json:"gpus"`
}

type gpuReport struct {
	Address  string           `json:"address"`
	VendorID int64            `json:"vendor_id"`
	DeviceID int64            `json:"device_id"`
	Name     string           `json:"name"`
	Use      string           `json:"use"`
	UsedBy   []string         `json:"used_by"`
	Profile  string           `json:"profile,omitempty"`
	Free     map[string]int64 `json:"free_instances,omitempty"`
}

func (p *placement) report() []hostReport {
	p.mu.Lock()
	defer p.mu.Unlock()
	var reports []hostReport
	for _, h := range p.hosts {
		report := hostReport{Host: h.name, Moid: h.ref.Value, MemoryMib: h.memoryMib, FreeMib: h.memoryMib - p.reserved(h.name, ""), GPUs: []gpuReport{}}
		for _, g := range h.gpus {
			entry := gpuReport{Address: g.address, VendorID: pciID(g.model.Vendor), DeviceID: pciID(g.model.Device),
				Name: g.model.Name, Use: g.model.Use, UsedBy: []string{}}
			var used, size int64
			for _, c := range p.claims {
				if c.host != h.name {
					continue
				}
				for _, use := range c.vgpus {
					if use.GPU == g.address {
						entry.UsedBy = append(entry.UsedBy, c.name)
						entry.Profile, size = use.Profile, use.sizeGib
						used += use.sizeGib
					}
				}
			}
			if owner := p.owner(h.name, g.address, ""); owner != "" {
				entry.UsedBy = append(entry.UsedBy, owner)
			}
			slices.Sort(entry.UsedBy)
			if g.model.Use == "sharedDirect" {
				entry.Free = map[string]int64{}
				for profile, each := range g.model.Profiles {
					if size == 0 || size == each {
						entry.Free[profile] = (g.model.FramebufferGib - used) / each
					} else {
						entry.Free[profile] = 0
					}
				}
			}
			report.GPUs = append(report.GPUs, entry)
		}
		reports = append(reports, report)
	}
	return reports
}

// users are the VMs on each GPU of a host, for the host's graphics information.
func (p *placement) users(name string) map[string][]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	users := map[string][]string{}
	for vm, c := range p.claims {
		if c.host == name {
			for _, use := range c.vgpus {
				if !slices.Contains(users[use.GPU], vm) {
					users[use.GPU] = append(users[use.GPU], vm)
				}
			}
		}
	}
	return users
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
