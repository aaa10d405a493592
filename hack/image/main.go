// Command image assembles a container image without a container engine: static binaries and the
// build host's CA certificates, run as a non-root user. The archive is in the format of
// `docker save`, which `docker load`, `ctr images import` and `kind load image-archive` read. The
// same inputs give the same bytes.
//
//	go run . -name example/app:dev -output app.tar -entrypoint /manager bin/manager bin/receiver
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// caCertificates is where Debian, and hence the Dockerfile's builder, keeps its CA certificates.
const caCertificates = "/etc/ssl/certs/ca-certificates.crt"

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	var (
		img    = imageSpec{labels: map[string]string{}}
		output = flags.String("output", "", "archive to write")
		certs  = flags.String("ca-certificates", caCertificates, "bundle of CA certificates to put into the image")
	)
	flags.StringVar(&img.name, "name", "", "name and tag of the image")
	flags.StringVar(&img.architecture, "arch", "amd64", "architecture that the binaries were built for")
	flags.StringVar(&img.entrypoint, "entrypoint", "", "program in the image that is run")
	flags.Func("label", "label of the image, as key=value; may be repeated", func(label string) error {
		key, value, ok := strings.Cut(label, "=")
		if !ok {
			return errors.New("a label has the form key=value")
		}
		img.labels[key] = value
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	if img.name == "" || *output == "" || img.entrypoint == "" || flags.NArg() == 0 {
		return errors.New("-name, -output, -entrypoint and at least one binary are needed; see -help")
	}
	if _, err := os.Stat(*certs); err != nil {
		return fmt.Errorf("no CA certificates (on Debian: apt-get install ca-certificates): %w", err)
	}

	img.files = append(img.files, file{source: *certs, target: caCertificates, mode: 0o644})
	for _, binary := range flags.Args() {
		img.files = append(img.files, file{source: binary, target: "/" + filepath.Base(binary), mode: 0o755})
	}
	if !img.has(path.Clean(img.entrypoint)) {
		return fmt.Errorf("the entrypoint %s is none of the binaries in the image", img.entrypoint)
	}
	if err := img.write(*output); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%s is in %s\n", img.name, *output)
	return err
}
