from .estimators import Autoencoder as Autoencoder
from .estimators import CNNClassifier as CNNClassifier
from .estimators import CNNRegressor as CNNRegressor
from .estimators import RNNClassifier as RNNClassifier
from .estimators import RNNRegressor as RNNRegressor
from .models import AutoencoderModel as AutoencoderModel
from .models import ClassificationModel as ClassificationModel
from .models import RegressionModel as RegressionModel
