package main

import (
	"net/http"
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const ssoDomain = "vsphere.local"

// systemGroups and systemUsers are those of the domain that every vCenter has, as far as the lab needs them.
var (
	systemGroups = []string{"Administrators", "ReadOnlyUsers", "SupervisorProviderAdministrators"}
	systemUsers  = []string{"Administrator"}
)

// directory is the UserDirectory of a vCenter with single sign-on, which the simulator's is not: it knows domains.
type directory struct {
	simulator.UserDirectory
	v *vcenter
}

func newDirectory(v *vcenter) *directory {
	d := &directory{v: v}
	d.Self = *v.model.ServiceContent.UserDirectory
	d.DomainList = []string{ssoDomain, v.site.Identity.Domain}
	return d
}

// subjects are the names of a domain; known is false when there is no such domain.
func (d *directory) subjects(domain string, groups bool) (names []string, known bool) {
	switch {
	case strings.EqualFold(domain, ssoDomain) && groups:
		return systemGroups, true
	case strings.EqualFold(domain, ssoDomain):
		return systemUsers, true
	case strings.EqualFold(domain, d.v.site.Identity.Domain) && groups:
		return d.v.site.Identity.Groups, true
	case strings.EqualFold(domain, d.v.site.Identity.Domain):
		user, _, _ := strings.Cut(d.v.options.username, "@")
		return []string{user}, true
	}
	return nil, false
}

// RetrieveUserGroups searches one domain; without a domain it finds nothing.
func (d *directory) RetrieveUserGroups(req *types.RetrieveUserGroups) soap.HasFault {
	body := &methods.RetrieveUserGroupsBody{}
	if _, known := d.subjects(req.Domain, true); !known {
		body.Fault_ = simulator.Fault("There is no domain "+req.Domain, &types.NotFound{})
		return body
	}
	found := []types.BaseUserSearchResult{}
	for _, group := range []bool{true, false} {
		if group && !req.FindGroups || !group && !req.FindUsers {
			continue
		}
		names, _ := d.subjects(req.Domain, group)
		for _, name := range names {
			same := strings.EqualFold(name, req.SearchStr)
			if same || !req.ExactMatch && strings.Contains(strings.ToLower(name), strings.ToLower(req.SearchStr)) {
				found = append(found, &types.UserSearchResult{Principal: name, FullName: name, Group: group})
			}
		}
	}
	body.Res = &types.RetrieveUserGroupsResponse{Returnval: found}
	return body
}

// lookAheadRoutes are what clients ask before they make anything.
func (v *vcenter) lookAheadRoutes() map[string]call {
	return map[string]call{
		"GET " + management + "/supervisors/{id}/identity/providers": v.identityProviders,
		// vCenter's own sign-in is federated with nobody.
		"GET /api/vcenter/identity/providers":       func(*http.Request) (any, *apiError) { return []any{}, nil },
		"GET /api/vcenter/cluster/{id}":             v.getCluster,
		"POST /api/vcenter/ovf/library-item/{item}": v.filterItem,
	}
}

// ---- identity providers of the Supervisor

func (v *vcenter) providerIDs() []string {
	ids := []string{}
	for _, provider := range v.site.Identity.Providers {
		ids = append(ids, provider.ID)
	}
	return ids
}

func (v *vcenter) identityProviders(r *http.Request) (any, *apiError) {
	if problem := v.knownSupervisor(r); problem != nil {
		return nil, problem
	}
	providers := []any{}
	for _, provider := range v.site.Identity.Providers {
		providers = append(providers, map[string]string{"provider": provider.ID, "display_name": provider.Name})
	}
	return providers, nil
}

// ---- what vCenter tells of an OVF before it is deployed

func (v *vcenter) getCluster(r *http.Request) (any, *apiError) {
	if r.PathValue("id") != v.cluster.Value {
		return nil, missing("There is no cluster with the identifier %q.", r.PathValue("id"))
	}
	return map[string]string{"name": v.site.Cluster, "resource_pool": v.rootPool.Value}, nil
}

// filterItem tells the properties that a user may set, of a library item for a place where it is to run.
func (v *vcenter) filterItem(r *http.Request) (any, *apiError) {
	var spec struct {
		Target struct {
			ResourcePool string `json:"resource_pool_id"`
		} `json:"target"`
	}
	if r.URL.Query().Get("action") != "filter" {
		return nil, invalid("only action=filter is served here; items are deployed through /rest/com/vmware/vcenter/ovf")
	}
	if problem := decode(r, &spec); problem != nil {
		return nil, problem
	}
	if spec.Target.ResourcePool != v.rootPool.Value {
		return nil, missing("There is no resource pool with the identifier %q.", spec.Target.ResourcePool)
	}
	return v.withLibraries(func(libraries []contentLibrary) (any, *apiError) {
		for _, l := range libraries {
			item, known := l.Item[r.PathValue("item")]
			if !known {
				continue
			}
			if !slices.Contains([]string{"ovf", ""}, item.Type) {
				return nil, invalid("Library item %q is of type %s; expected an OVF.", item.Name, item.Type)
			}
			properties := []any{}
			for _, property := range v.itemProperties(l.ID, item.ID) {
				properties = append(properties, map[string]any{"id": property["key"], "type": property["type"], "ui_optional": false})
			}
			return map[string]any{"name": item.Name, "additional_params": []any{
				map[string]any{"type": "PropertyParams", "properties": properties},
			}}, nil
		}
		return nil, missing("There is no library item with the identifier %q.", r.PathValue("item"))
	})
}
