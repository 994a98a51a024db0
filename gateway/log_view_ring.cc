// A running daemon's ring as a LogView.
#include "gateway/log_view.h"
#include "gateway/rotation.h"

namespace sealring {
namespace {

class RingView final : public LogView {
 public:
  RingView(const Ring& ring, std::string store) : ring_(ring), store_(std::move(store)) {}
  std::string origin() const override { return ring_.origin(); }
  std::uint64_t first_index() const override { return ring_.usage().first_index; }
  std::uint64_t size() const override { return ring_.size(); }
  Result<Bytes> entries(std::uint64_t first, std::size_t count) const override { return ring_.entries(first, count); }
  Result<Hash> node(int level, std::uint64_t start) const override { return ring_.node(level, start); }
  Result<std::optional<LossRecord>> loss_at(std::uint64_t index) const override {
    const std::vector<LossRecord> losses = ring_.losses();
    const LossRecord* loss = find_loss(losses, index);
    return loss ? std::optional(*loss) : std::nullopt;
  }
  std::vector<Segment> segments() const override { return ring_.segments(); }
  Result<std::vector<Bytes>> rotations(std::uint64_t size) const override {
    return rotations_below(store_, origin(), size);
  }

 private:
  const Ring& ring_;
  const std::string store_;
};

}  // namespace

std::unique_ptr<LogView> view_of(const Ring& ring, std::string store) {
  return std::make_unique<RingView>(ring, std::move(store));
}

}  // namespace sealring
