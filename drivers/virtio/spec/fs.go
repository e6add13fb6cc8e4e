package spec

// A file system device (5.11): its queues, and its configuration space. Beyond
// the queue for what has priority, of which Ringo makes no use, it has one or
// more for requests, which are messages of the FUSE protocol.
const (
	FSQueueHighPriority = 0
	FSQueueRequests     = 1 // the first one

	FSConfigTag    = 0  // FSTagLen bytes of UTF-8, filled up with zeroes
	FSConfigQueues = 36 // 32 bits: number of request queues

	FSTagLen = 36
)
