//go:build ringo

package udp

// Quiet reports that Read would return ErrWouldBlock.
func (e *endpoint) Quiet() bool {
	e.rcvMu.Lock()
	quiet := e.rcvList.Empty() && !e.rcvClosed
	e.rcvMu.Unlock()
	if !quiet {
		return false
	}
	e.lastErrorMu.Lock()
	quiet = e.lastError == nil
	e.lastErrorMu.Unlock()
	return quiet
}
