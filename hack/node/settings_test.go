package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestSettingsAreFilledIn(t *testing.T) {
	c := newTestCluster(t)
	n, err := newNode(c, record{Subnet: "172.20.0.0/16"})
	if err != nil {
		t.Fatal(err)
	}
	n.Programs = map[string]string{"coredns": "addons-v1/coredns", "provisioner": "addons-v1/provisioner", "pause": "pause-own/pause"}
	for file, want := range map[string]string{
		"containerd.toml": `sandbox_image = "whatsapp-operator.local/pause:pause-own"`,
		"cni.conflist":    `"subnet": "172.20.16.0/20"`,
		"kubelet.yaml":    "cgroupRoot: /whatsapp-operator.whatsapp-operator",
		"kube-proxy.yaml": "clusterCIDR: 172.20.16.0/20",
		"dns.yaml":        "image: whatsapp-operator.local/coredns:addons-v1",
		"storage.yaml":    "image: whatsapp-operator.local/provisioner:addons-v1",
	} {
		text, err := n.render(file)
		if err != nil {
			t.Error(err)
		}
		if !strings.Contains(text, want) {
			t.Errorf("%s does not say %s:\n%s", file, want, text)
		}
	}
	conflist, err := n.render("cni.conflist")
	if err != nil || !json.Valid([]byte(conflist)) {
		t.Errorf("the network's configuration is not JSON: %v\n%s", err, conflist)
	}
}
