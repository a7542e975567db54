package main

import "slices"

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
			for _, c := range p.allocations {
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
	for vm, c := range p.allocations {
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
