package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/vim25/types"
)

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
func (p *placement) checkDevices(d *requirements) *methodFault {
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

func describeAllowed(allowed []types.VirtualPCIPassthroughAllowedDevice) string {
	var names []string
	for _, a := range allowed {
		names = append(names, fmt.Sprintf("%04x:%04x", uint16(a.VendorId), uint16(a.DeviceId)))
	}
	return strings.Join(names, " or ")
}

// configure records a VM's fixed devices, unless another VM has one of them. It returns a function that takes it back.
func (p *placement) configure(d *requirements) (func(), *methodFault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	addresses := make([]string, 0, len(d.fixed))
	for _, device := range d.fixed {
		if owner := p.owner(d.host, device.address, d.vm); owner != "" {
			return nil, configFault("PCI device %s of host %s is assigned to VM %q already: a device belongs to one VM; free devices there: %s",
				device.address, d.host, owner, list(p.free(d.host)))
		}
		addresses = append(addresses, device.address)
	}
	alloc := p.allocations[d.vm]
	if alloc == nil {
		alloc = &allocation{}
		p.allocations[d.vm] = alloc
	}
	before := *alloc
	alloc.name, alloc.host, alloc.fixed = d.name, d.host, addresses
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		*alloc = before
	}, nil
}

// allocateNew checks and records the devices of a VM that is about to be made, under an id that stands in for the VM's own:
// rename gives the allocation to the VM once it is there, release ends it.
func (p *placement) allocateNew(name string, on types.ManagedObjectReference, devices []types.BaseVirtualDevice) (*requirements, *methodFault) {
	d := &requirements{vm: "new-" + uuid.NewString(), name: name}
	if h := p.hostByRef(on); h != nil {
		d.host = h.name
	}
	d.setDevices(devices)
	if refused := p.checkDevices(d); refused != nil {
		return nil, refused
	}
	_, refused := p.configure(d)
	return d, refused
}

// owner is the name of another VM that holds the device, else "". p.mu is held.
func (p *placement) owner(host, address, except string) string {
	for vm, c := range p.allocations {
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
