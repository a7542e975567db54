package main

import (
	"encoding/json"
	"net/http"
	"os"
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

// validLogin knows the one account. Sessions outlive a change of its password, as those of a real vCenter do.
func (v *vcenter) validLogin(login *types.Login) bool {
	password := v.options.password
	var found struct{ Vcenter map[string]string }
	if text, err := os.ReadFile(v.options.accounts); err == nil && json.Unmarshal(text, &found) == nil {
		if changed, ok := found.Vcenter[v.options.username]; ok {
			password = changed
		}
	}
	return login.UserName == v.options.username && login.Password == password
}

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
