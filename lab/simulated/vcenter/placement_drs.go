package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

// admit decides where the VM runs and records what it holds there. With dry it records nothing.
func (p *placement) admit(d *requirements, dry bool) (*allocation, *methodFault) {
	if refused := p.checkStart(d); refused != nil {
		return nil, refused
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var reasons []string
	var errors []types.LocalizedMethodFault
	var refs []types.ManagedObjectReference
	for _, h := range p.candidates(d) {
		alloc, fault := p.fit(h, d)
		if alloc == nil {
			message := fmt.Sprintf("%s: %s", h.name, fault.message)
			reasons = append(reasons, message)
			errors = append(errors, types.LocalizedMethodFault{Fault: fault.fault, LocalizedMessage: message})
			refs = append(refs, h.ref)
			continue
		}
		if !dry {
			alloc.name = d.name
			p.allocations[d.vm] = alloc
		}
		return alloc, nil
	}
	message := fmt.Sprintf("No host can run VM %q. %s", d.name, strings.Join(reasons, "; "))
	if len(d.fixed) > 0 && len(errors) == 1 {
		return nil, &methodFault{errors[0].Fault, message}
	}
	return nil, &methodFault{&types.NoCompatibleHost{Host: refs, Error: errors}, message}
}

// checkStart holds what must be true of the VM itself before it can start.
func (p *placement) checkStart(d *requirements) *methodFault {
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
func (p *placement) candidates(d *requirements) []*host {
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
	for vm, c := range p.allocations {
		if c.host == host && vm != except {
			mib += c.reservedMib
		}
	}
	return mib
}

// fit tries one host. p.mu is held.
func (p *placement) fit(h *host, d *requirements) (*allocation, *methodFault) {
	alloc := &allocation{host: h.name, reservedMib: d.reservedMib, dynamic: map[int32]string{}}
	for _, device := range d.fixed {
		if owner := p.owner(h.name, device.address, d.vm); owner != "" {
			return nil, configFault("PCI device %s is in use by VM %q", device.address, owner)
		}
		alloc.fixed = append(alloc.fixed, device.address)
	}
	for _, device := range d.dynamic {
		address, fault := p.fitDynamic(h, d, device, alloc)
		if fault != nil {
			return nil, fault
		}
		alloc.dynamic[device.key] = address
	}
	for _, device := range d.vgpus {
		use, fault := p.fitVGPU(h, d, device, alloc)
		if fault != nil {
			return nil, fault
		}
		alloc.vgpus = append(alloc.vgpus, *use)
	}
	if free := h.memoryMib - p.reserved(h.name, d.vm); d.reservedMib > free {
		fault := &types.InsufficientMemoryResourcesFault{Unreserved: free << 20, Requested: d.reservedMib << 20}
		return nil, &methodFault{fault, fmt.Sprintf("%d MB of memory are unreserved, %d MB are needed", free, d.reservedMib)}
	}
	return alloc, nil
}

func (p *placement) fitDynamic(h *host, d *requirements, device dynamicDevice, alloc *allocation) (string, *methodFault) {
	fitting, used := 0, 0
	for _, g := range h.gpus {
		if !slices.ContainsFunc(device.allowed, func(a types.VirtualPCIPassthroughAllowedDevice) bool {
			return g.passthrough(int64(a.VendorId), int64(a.DeviceId))
		}) || device.label != "" {
			// No device of the simulated site has a hardware label.
			continue
		}
		fitting++
		taken := slices.Contains(alloc.fixed, g.address)
		for _, address := range alloc.dynamic {
			taken = taken || address == g.address
		}
		if taken || p.owner(h.name, g.address, d.vm) != "" {
			used++
			continue
		}
		return g.address, nil
	}
	description := describeAllowed(device.allowed)
	if device.label != "" {
		description += " with label " + device.label
	}
	if fitting == 0 {
		return "", &methodFault{&types.DeviceNotSupported{Device: description}, fmt.Sprintf("no PCI device %s with passthrough active", description)}
	}
	return "", &methodFault{new(types.InsufficientGraphicsResourcesFault), fmt.Sprintf("all %d PCI devices %s are in use", used, description)}
}

func (p *placement) fitVGPU(h *host, d *requirements, device vgpuDevice, alloc *allocation) (*vgpuUse, *methodFault) {
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
		for vm, c := range p.allocations {
			if c.host == h.name && vm != d.vm {
				count(c.vgpus)
			}
		}
		count(alloc.vgpus)
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
		return nil, &methodFault{&types.DeviceNotSupported{Device: device.profile}, fmt.Sprintf("no GPU with vGPU profile %s", device.profile)}
	}
	return nil, &methodFault{new(types.InsufficientGraphicsResourcesFault),
		fmt.Sprintf("no room for vGPU profile %s (%s)", device.profile, strings.Join(full, ", "))}
}
