package cloudapitest

// DeliveryMode makes the delivery of webhooks as rough as Meta's may be.
type DeliveryMode struct {
	// BatchSize is how many updates go into one webhook at most, when held
	// updates are released; 1 unless told.
	BatchSize int
	// Duplicates is how many times more than once each webhook is delivered.
	Duplicates int
	// Order changes the order of held updates when they are released: [Reverse],
	// or the Shuffle of a source of math/rand/v2.
	Order func(n int, swap func(i, j int))
}

// Reverse turns an order around.
func Reverse(n int, swap func(i, j int)) {
	for i := range n / 2 {
		swap(i, n-1-i)
	}
}

// SetDeliveryMode sets how webhooks are delivered from now on.
func (s *Server) SetDeliveryMode(mode DeliveryMode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode = mode
}

// Hold keeps all updates until [Server.Release].
func (s *Server) Hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding = true
}

// Release delivers the updates held since [Server.Hold], in batches and in the
// order that the delivery mode says.
func (s *Server) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.held
	s.holding, s.held = false, nil
	if s.mode.Order != nil {
		s.mode.Order(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
	}
	size := max(1, s.mode.BatchSize)
	for len(held) > 0 {
		count := min(size, len(held))
		s.dispatch(held[:count])
		held = held[count:]
	}
}
