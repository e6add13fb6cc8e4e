package netstack

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// TestCounters wants a counter in each field of the statistics, and no two the same.
func TestCounters(t *testing.T) {
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer s.ip.Close()
	seen := map[*tcpip.StatCounter]string{}
	var look func(v reflect.Value, path string)
	look = func(v reflect.Value, path string) {
		switch f := v.Interface().(type) {
		case *tcpip.StatCounter:
			if f == nil || seen[f] != "" {
				t.Errorf("%s is %p, as is %q", path, f, seen[f])
			}
			seen[f] = path
			return
		case *tcpip.IntegralStatCounterMap:
			f.Increment(1)
			if c, ok := f.Get(1); !ok || c.Value() == 0 {
				t.Errorf("%s does not count", path)
			}
			return
		}
		if v.Kind() != reflect.Struct {
			t.Fatalf("%s is a %v: package rt/overlay's fillIn does not know it", path, v.Type())
		}
		for i := range v.NumField() {
			look(v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	}
	look(reflect.Indirect(reflect.ValueOf(s.ip.Stats())), "Stats")
	for _, info := range s.ip.NICInfo() {
		look(reflect.ValueOf(info.Stats), info.Name)
		for proto, stats := range info.NetworkStats {
			clear(seen) // in guests they are the stack's
			look(reflect.Indirect(reflect.ValueOf(stats)), fmt.Sprint(info.Name, proto))
		}
	}
}

// TestCountersInOrder wants the counters of gVisor's structures that endpoints and interfaces
// count with in the order of those that they stand for: package rt/overlay takes the ones
// for the others.
func TestCountersInOrder(t *testing.T) {
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer s.ip.Close()
	stats := func(protocol tcpip.NetworkProtocolNumber) reflect.Type {
		ep, err := s.ip.GetNetworkEndpoint(loopbackNIC, protocol)
		if err != nil {
			t.Fatal(err)
		}
		return fieldType(t, reflect.TypeOf(ep), "stats")
	}
	nic, _ := reflect.TypeFor[stack.Stack]().FieldByName("nics")
	for _, c := range []struct {
		counts reflect.Type
		field  string
		reads  reflect.Type
	}{
		{stats(ipv4.ProtocolNumber), "icmp", reflect.TypeFor[tcpip.ICMPv4Stats]()},
		{stats(ipv4.ProtocolNumber), "igmp", reflect.TypeFor[tcpip.IGMPStats]()},
		{stats(ipv6.ProtocolNumber), "icmp", reflect.TypeFor[tcpip.ICMPv6Stats]()},
		{stats(arp.ProtocolNumber), "arp", reflect.TypeFor[tcpip.ARPStats]()},
		{fieldType(t, nic.Type.Elem(), "stats"), "multiCounterNICStats", reflect.TypeFor[tcpip.NICStats]()},
	} {
		counts := fieldType(t, c.counts, c.field)
		got, want := counterNames(counts), counterNames(c.reads)
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%v has %q, %v has %q", counts, got, c.reads, want)
		}
	}
}

// fieldType returns the type of a field of a structure, or of that which it points to.
func fieldType(t *testing.T, structure reflect.Type, name string) reflect.Type {
	t.Helper()
	if structure.Kind() == reflect.Pointer {
		structure = structure.Elem()
	}
	f, ok := structure.FieldByName(name)
	if !ok {
		t.Fatalf("%v has no field %s", structure, name)
	}
	if f.Type.Kind() == reflect.Pointer {
		return f.Type.Elem()
	}
	return f.Type
}

// counterNames returns the paths of the counters in a structure, in lower case.
func counterNames(structure reflect.Type) []string {
	var names []string
	for i := range structure.NumField() {
		f := structure.Field(i)
		name := strings.ToLower(f.Name)
		switch {
		case strings.Contains(f.Type.String(), "Counter") && !strings.Contains(f.Type.String(), ".multiCounter"):
			names = append(names, name)
		case f.Anonymous:
			names = append(names, counterNames(f.Type)...)
		default:
			for _, inner := range counterNames(f.Type) {
				names = append(names, name+"."+inner)
			}
		}
	}
	return names
}
