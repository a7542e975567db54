package main

import (
	"slices"
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
	mu          sync.Mutex
	hosts       []*host
	allocations map[string]*allocation // by VM id
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

// allocation is what a VM holds.
type allocation struct {
	name        string
	host        string
	fixed       []string         // PCI addresses, held even while powered off
	reservedMib int64            // while powered on
	dynamic     map[int32]string // virtual device key -> PCI address, while powered on
	vgpus       []vgpuUse        // while powered on
}

// requirements is what a VM needs to run.
type requirements struct {
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

func (d *requirements) devices() int { return len(d.fixed) + len(d.dynamic) + len(d.vgpus) }

func (p *placement) hostByName(name string) *host {
	return firstMatch(p.hosts, func(h *host) bool { return h.name == name })
}

func (p *placement) hostByRef(ref types.ManagedObjectReference) *host {
	return firstMatch(p.hosts, func(h *host) bool { return h.ref == ref })
}

func (h *host) gpu(address string) *gpu {
	return firstMatch(h.gpus, func(g *gpu) bool { return g.address == address })
}

// releaseRuntime releases what a VM holds only while it runs.
func (p *placement) releaseRuntime(vm string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.allocations[vm]; c != nil {
		c.reservedMib, c.dynamic, c.vgpus = 0, nil, nil
	}
}

// rename gives the allocation, under which a VM was checked, to the VM that was made.
func (p *placement) rename(from, to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allocations[to] = p.allocations[from]
	delete(p.allocations, from)
}

// release releases everything of a VM.
func (p *placement) release(vm string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.allocations, vm)
}

// allocationOf is what a VM holds now.
func (p *placement) allocationOf(vm string) allocation {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.allocations[vm]; c != nil {
		return *c
	}
	return allocation{}
}

// requestedOrLeastLoaded is the host that a request names, else the least loaded one, as DRS chooses; the simulator would put every clone on its
// template's host.
func (p *placement) requestedOrLeastLoaded(requested *types.ManagedObjectReference) *types.ManagedObjectReference {
	if requested != nil {
		return requested
	}
	ref := p.leastLoadedHost().ref
	return &ref
}

// leastLoadedHost is the host with the fewest VMs, for a VM that may go anywhere.
func (p *placement) leastLoadedHost() *host {
	p.mu.Lock()
	defer p.mu.Unlock()
	count := map[string]int{}
	for _, c := range p.allocations {
		count[c.host]++
	}
	return slices.MinFunc(p.hosts, func(a, b *host) int { return count[a.name] - count[b.name] })
}
