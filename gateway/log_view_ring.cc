// A running daemon's ring as a LogView.
#include "gateway/log_view.h"

namespace sealring {
namespace {

class RingView final : public LogView {
 public:
  explicit RingView(const Ring& ring) : ring_(ring) {}
  std::string origin() const override { return ring_.origin(); }
  std::uint64_t first_index() const override { return ring_.usage().first_index; }
  std::uint64_t size() const override { return ring_.size(); }
  Result<Bytes> entries(std::uint64_t first, std::size_t count) const override { return ring_.entries(first, count); }
  Result<Hash> node(int level, std::uint64_t start) const override { return ring_.node(level, start); }
  std::vector<Segment> segments() const override { return ring_.segments(); }

 private:
  const Ring& ring_;
};

}  // namespace

std::unique_ptr<LogView> view_of(const Ring& ring) { return std::make_unique<RingView>(ring); }

}  // namespace sealring
