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

func (p *placement) hostByName(name string) *host {
	return first(p.hosts, func(h *host) bool { return h.name == name })
}

func (p *placement) hostByRef(ref types.ManagedObjectReference) *host {
	return first(p.hosts, func(h *host) bool { return h.ref == ref })
}

func (h *host) gpu(address string) *gpu {
	return first(h.gpus, func(g *gpu) bool { return g.address == address })
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

// hostFor is the host that a request names, else a quiet one, as DRS chooses; the simulator would put every clone on its
// template's host.
func (p *placement) hostFor(named *types.ManagedObjectReference) *types.ManagedObjectReference {
	if named != nil {
		return named
	}
	ref := p.quiet().ref
	return &ref
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
