"""Where and how a job runs: Cluster, RunConfig and the session configuration."""

from tf_estimator.config.cluster import Cluster
from tf_estimator.config.model_dir import with_model_dir
from tf_estimator.config.run_config import RunConfig
from tf_estimator.config.session_config import default_session_config

__all__ = ["Cluster", "RunConfig", "default_session_config", "with_model_dir"]
