// Command tunnel serves HTTP at the far end of a WireGuard tunnel within the program:
// two devices with network stacks of their own talk by UDP over the loopback.
package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/netip"

	"crypto/ecdh"
	"crypto/rand"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun/netstack"
)

func main() {
	keys := [2]*ecdh.PrivateKey{newKey(), newKey()}
	far := end(keys[0], keys[1].PublicKey(), "192.168.4.1", 51820, 51821, "192.168.4.2")
	near := end(keys[1], keys[0].PublicKey(), "192.168.4.2", 51821, 51820, "192.168.4.1")

	l, err := far.ListenTCPAddrPort(netip.MustParseAddrPort("192.168.4.1:80"))
	if err != nil {
		log.Fatal(err)
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "through the tunnel from %s", r.RemoteAddr)
	}))
	client := http.Client{Transport: &http.Transport{DialContext: near.DialContext}}
	log.Fatal(http.ListenAndServe(":8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		res, err := client.Get("http://192.168.4.1/")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		io.Copy(w, res.Body)
	})))
}

func newKey() *ecdh.PrivateKey {
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	return k
}

// end makes one end of the tunnel.
func end(key *ecdh.PrivateKey, peer *ecdh.PublicKey, addr string, port, peerPort int, peerAddr string) *netstack.Net {
	tun, net, err := netstack.CreateNetTUN([]netip.Addr{netip.MustParseAddr(addr)}, nil, 1420)
	if err != nil {
		log.Fatal(err)
	}
	d := device.NewDevice(tun, conn.NewDefaultBind(), device.NewLogger(device.LogLevelError, addr+" "))
	err = d.IpcSet(fmt.Sprintf("private_key=%s\nlisten_port=%d\npublic_key=%s\nendpoint=127.0.0.1:%d\nallowed_ip=%s/32\n",
		hex.EncodeToString(key.Bytes()), port, hex.EncodeToString(peer.Bytes()), peerPort, peerAddr))
	if err != nil {
		log.Fatal(err)
	}
	if err := d.Up(); err != nil {
		log.Fatal(err)
	}
	return net
}
