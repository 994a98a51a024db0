#include "gateway/queue.h"

namespace sealring {

void RecordQueue::put(SourceItem&& item) {
  std::lock_guard<std::mutex> lock(mutex_);
  bytes_ += item.memory_bytes();
  items_.push_back(std::move(item));
  if (items_.size() == 1) something_.notify_one();
}

void RecordQueue::put_all(std::vector<SourceItem>&& items) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (SourceItem& item : items) {
    bytes_ += item.memory_bytes();
    items_.push_back(std::move(item));
  }
  something_.notify_one();
}

bool RecordQueue::full() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return bytes_ >= max_bytes_;
}

void RecordQueue::put_receipt(ReceivedReceipt&& receipt) {
  std::lock_guard<std::mutex> lock(mutex_);
  receipts_.push_back(std::move(receipt));
  something_.notify_one();
}

void RecordQueue::close() {
  std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  something_.notify_one();
}

void RecordQueue::poke() {
  std::lock_guard<std::mutex> lock(mutex_);
  poked_ = true;
  something_.notify_one();
}

RecordQueue::Batch RecordQueue::take(std::chrono::steady_clock::time_point deadline) {
  Batch batch;
  bool was_full = false;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    something_.wait_until(lock, deadline, [&] { return !items_.empty() || !receipts_.empty() || closed_ || poked_; });
    was_full = bytes_ >= max_bytes_;
    batch.items.swap(items_);
    batch.receipts.swap(receipts_);
    batch.closed = closed_;
    bytes_ = 0;
    poked_ = false;
  }
  if (was_full && on_room_) on_room_();
  return batch;
}

RecordQueue::Batch RecordQueue::take_receipts(std::chrono::steady_clock::time_point deadline) {
  Batch batch;
  std::unique_lock<std::mutex> lock(mutex_);
  something_.wait_until(lock, deadline, [&] { return !receipts_.empty() || closed_; });
  batch.receipts.swap(receipts_);
  batch.closed = closed_;
  return batch;
}

bool RecordQueue::wait_closed(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  return something_.wait_until(lock, deadline, [&] { return closed_; });
}

std::size_t RecordQueue::bytes() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return bytes_;
}

}  // namespace sealring
