// Package process runs the programs that are measured, as they are shipped, and reads what the kernel knows of them.
package process
