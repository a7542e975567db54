package main

import (
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// propertyCollector answers every wait from the state of its filters since the version that this waiter knows.
//
// The simulator's own collector keeps one queue of updates, which the first of several waiters empties. govmomi's
// Task.WaitEx, and with it the Terraform and Pulumi providers, let all tasks of a session wait on the session's default
// collector, so with several tasks at once all but one would wait for ever.
type propertyCollector struct {
	simulator.PropertyCollector

	mu         sync.Mutex
	version    int
	filters    map[types.ManagedObjectReference]*propertyFilter
	order      []types.ManagedObjectReference
	lastChange uint64
	refreshed  time.Time
	canceled  chan struct{}
}

type propertyFilter struct {
	mo.PropertyFilter

	owner   *propertyCollector
	objects map[types.ManagedObjectReference]*observedObject
}

// observedObject is what the collector knew of an object at its last look.
type observedObject struct {
	entered, left int
	properties    map[string]observedProperty
	missing       []types.MissingProperty
}

type observedProperty struct {
	value   types.AnyType
	digest  string
	changed int
}

// Lock and Unlock opt out of the simulator's lock per object: a wait must not keep others from the collector.
func (*propertyCollector) Lock() {}

func (*propertyCollector) Unlock() {}

func newPropertyCollector(ref types.ManagedObjectReference) *propertyCollector {
	c := &propertyCollector{}
	c.Self = ref
	return c
}

// RetrievePropertiesEx also finds an object that is named by a parent type of its own, as vCenter does: clients ask for a
// cluster as a ComputeResource.
func (c *propertyCollector) RetrievePropertiesEx(ctx *simulator.Context, r *types.RetrievePropertiesEx) soap.HasFault {
	requestedRefs := map[types.ManagedObjectReference]types.ManagedObjectReference{}
	for _, spec := range r.SpecSet {
		for i := range spec.ObjectSet {
			obj := &spec.ObjectSet[i].Obj
			if actual, ok := subtype(ctx, *obj); ok {
				requestedRefs[actual] = *obj
				*obj = actual
				for k := range spec.PropSet {
					if spec.PropSet[k].Type == requestedRefs[actual].Type {
						spec.PropSet[k].Type = actual.Type
					}
				}
			}
		}
	}
	res := c.PropertyCollector.RetrievePropertiesEx(ctx, r)
	if body, ok := res.(*methods.RetrievePropertiesExBody); ok && body.Res != nil && body.Res.Returnval != nil {
		for i := range body.Res.Returnval.Objects {
			obj := &body.Res.Returnval.Objects[i].Obj
			if requested, ok := requestedRefs[*obj]; ok {
				*obj = requested
			}
		}
	}
	return res
}

// RetrieveProperties is the older form.
func (c *propertyCollector) RetrieveProperties(ctx *simulator.Context, r *types.RetrieveProperties) soap.HasFault {
	res := c.RetrievePropertiesEx(ctx, &types.RetrievePropertiesEx{This: r.This, SpecSet: r.SpecSet})
	body := &methods.RetrievePropertiesBody{Fault_: res.Fault()}
	if body.Fault_ == nil {
		body.Res = &types.RetrievePropertiesResponse{Returnval: res.(*methods.RetrievePropertiesExBody).Res.Returnval.Objects}
	}
	return body
}

// subtype is the object of that id whose type derives from the one named, when no object has exactly the type named.
func subtype(ctx *simulator.Context, ref types.ManagedObjectReference) (types.ManagedObjectReference, bool) {
	actual := ref
	switch ref.Type {
	case "ComputeResource":
		actual.Type = "ClusterComputeResource"
	case "Network":
		actual.Type = "DistributedVirtualPortgroup"
	case "DistributedVirtualSwitch":
		actual.Type = "VmwareDistributedVirtualSwitch"
	default:
		return ref, false
	}
	return actual, ctx.Map.Get(ref) == nil && ctx.Map.Get(actual) != nil
}

// CreateFilter adds a filter to this collector.
func (c *propertyCollector) CreateFilter(ctx *simulator.Context, r *types.CreateFilter) soap.HasFault {
	filter := &propertyFilter{owner: c, objects: map[types.ManagedObjectReference]*observedObject{}}
	filter.Self.Type = "PropertyFilter"
	filter.Spec, filter.PartialUpdates = r.Spec, r.PartialUpdates
	ref := ctx.Session.Put(filter).Reference()

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.filters == nil {
		c.filters = map[types.ManagedObjectReference]*propertyFilter{}
	}
	c.filters[ref] = filter
	c.order = append(c.order, ref)
	c.Filter = append(c.Filter, ref)
	c.refreshed = time.Time{}
	return &methods.CreateFilterBody{Res: &types.CreateFilterResponse{Returnval: ref}}
}

// DestroyPropertyFilter takes the filter off its collector.
func (f *propertyFilter) DestroyPropertyFilter(ctx *simulator.Context, _ *types.DestroyPropertyFilter) soap.HasFault {
	f.owner.remove(f.Self)
	ctx.Session.Remove(ctx, f.Self)
	return &methods.DestroyPropertyFilterBody{Res: new(types.DestroyPropertyFilterResponse)}
}

func (c *propertyCollector) remove(ref types.ManagedObjectReference) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.filters, ref)
	for i := range c.order {
		if c.order[i] == ref {
			c.order = append(c.order[:i:i], c.order[i+1:]...)
			break
		}
	}
	simulator.RemoveReference(&c.Filter, ref)
}

// CreatePropertyCollector makes a private collector of the same kind.
func (*propertyCollector) CreatePropertyCollector(ctx *simulator.Context, _ *types.CreatePropertyCollector) soap.HasFault {
	private := newPropertyCollector(types.ManagedObjectReference{Type: "PropertyCollector"})
	private.canceled = make(chan struct{})
	return &methods.CreatePropertyCollectorBody{
		Res: &types.CreatePropertyCollectorResponse{Returnval: ctx.Session.Put(private).Reference()},
	}
}

// DestroyPropertyCollector ends a private collector with its filters and waits.
func (c *propertyCollector) DestroyPropertyCollector(ctx *simulator.Context, _ *types.DestroyPropertyCollector) soap.HasFault {
	c.cancel()
	c.mu.Lock()
	filters := c.order
	c.filters, c.order, c.Filter = nil, nil, nil
	c.mu.Unlock()
	for _, ref := range filters {
		ctx.Session.Remove(ctx, ref)
	}
	ctx.Session.Remove(ctx, c.Self)
	return &methods.DestroyPropertyCollectorBody{Res: new(types.DestroyPropertyCollectorResponse)}
}
