package netstack

import (
	"fmt"
	"reflect"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
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
			t.Fatalf("%s is a %v: package rt/overlay's initStatCounters does not know it", path, v.Type())
		}
		for i := range v.NumField() {
			look(v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	}
	look(reflect.Indirect(reflect.ValueOf(s.ip.Stats())), "Stats")
	for _, info := range s.ip.NICInfo() {
		look(reflect.ValueOf(info.Stats), info.Name)
		for proto, stats := range info.NetworkStats {
			look(reflect.Indirect(reflect.ValueOf(stats)), fmt.Sprint(info.Name, proto))
		}
	}
}
